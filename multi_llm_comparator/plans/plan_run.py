"""A question on its way to an answer: planned, solved step by step, put together. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError, StoreError
from multi_llm_comparator.core.requests import GenerationRequest, Message, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions, Journal, PlanExecutor, exact_config
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.plan import HARDEST, Plan, Step
from multi_llm_comparator.plans.planner import Planner, PlanningAttempt
from multi_llm_comparator.plans.prompts import aggregate_prompt, planner_messages, result_of
from multi_llm_comparator.plans.step_run import StepRun, fail_if_empty

RunState = Literal["new", "planning", "running", "aggregating", "done", "failed", "stopped"]
OVER: frozenset[RunState] = frozenset({"done", "failed", "stopped"})
DIRECT_TOKENS = 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """How a question is answered.

    ``router_model`` plans; ``aggregation`` puts the answers together with ``aggregator`` (the large model if empty), or
    takes the result of the last step where a plan has a single one. ``planner_prompt`` None is the built-in one, and
    empty suits a model that was trained to plan. With ``planner_grammar`` a local planner writes nothing but valid
    plans; ``planner_thinks`` lets it think first, in a ``<think>`` block. A plan that cannot be used is asked for again
    ``replans`` times.
    """

    executor: ExecutorOptions
    router_model: str
    planner_config: ModelConfig = field(default_factory=lambda: exact_config(2048))
    planner_prompt: str | None = None
    planner_grammar: bool = True
    planner_thinks: bool = False
    replans: int = 2
    aggregation: Literal["model", "last_step"] = "model"
    aggregator: str = ""
    aggregator_config: ModelConfig = field(default_factory=exact_config)

    @property
    def aggregator_model(self) -> str:
        """Who puts the answers together where a model does."""
        return self.aggregator or self.executor.large_model


def new_run_id() -> str:
    """Another one each time, and short: the ids of stored steps begin with it."""
    return uuid.uuid4().hex[:12]


def open_planner(source: TextSource, options: PlanOptions) -> Planner:
    """The planner that the options name."""
    grammar = plan_grammar(may_think=options.planner_thinks) if options.planner_grammar else None
    return Planner(source, options.router_model, options.planner_config, grammar=grammar)


class RunJournal(Journal, Protocol):
    """Where a run is written down: its finished steps one by one, and all that there is of it."""

    async def save(self, run: PlanRun) -> None: ...


class PlanRun:
    """One question. ``steps`` are those of the plan in use; what an unusable one had begun is in ``planning``.

    Everything here is written on the event loop that :meth:`execute` runs on.
    """

    def __init__(
        self,
        source: TextSource,
        question: str,
        options: PlanOptions,
        *,
        run_id: str,
        journal: RunJournal | None = None,
    ) -> None:
        self.id = run_id
        self.question = question
        self.options = options
        self.created_at = now()
        self.ended_at: float | None = None
        # From when to when nobody worked on it, in seconds since the epoch: it was stopped, or the workbench had ended.
        self.pauses: list[tuple[float, float]] = []
        self.state: RunState = "new"
        self.worker: WorkingProcess | None = None
        self.planning: list[PlanningAttempt] = []
        self.plan: Plan | None = None
        self.plan_is_direct = False
        self.steps: dict[str, StepRun] = {}
        self.aggregate: AnswerProgress | None = None
        self.answer: str | None = None
        self.error: str | None = None
        self.version = 0
        self._source = OneRun(source, run_id)
        self._journal = journal

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def other_worker(self) -> WorkingProcess | None:
        """The process that is at work on it, if that is not this one: what is here is then as it was last stored."""
        return self.worker if self.worker is not None and not self.is_over and self.worker.is_other else None

    async def execute(self, *, plan: Plan | None = None, finished: Mapping[str, StepRun] | None = None) -> None:
        """Answer the question. Nothing is raised but cancellation, which stops the run: the outcome is in ``state``,
        and the reason of what should never happen in the log.

        Args:
            plan: solve this one instead of asking for one.
            finished: steps that were solved before; those that a plan written anew repeats are not solved again.
        """
        self.worker = this_process()
        try:
            await self._solve(plan, dict(finished or {}))
            self._enter("aggregating")
            await self._aggregate()
            self._enter("done" if self.answer is not None else "failed")
        except MultiLLMError as exc:
            self.error = str(exc)
            self._enter("failed")
        except asyncio.CancelledError:
            self._enter("stopped")
            raise
        except Exception:
            log.exception("run %s broke", self.id)
        finally:
            await self._conclude()

    async def abandon(self) -> None:
        """Have it end as stopped if it never began."""
        if not self.is_over:
            self._enter("stopped")
            await self._conclude()

    async def _conclude(self) -> None:
        if not self.is_over:
            self.error = "something went wrong in the workbench; its log says what"
            self._enter("failed")
        self.ended_at = now()
        try:
            await self._save()
        except StoreError as exc:
            self.error = self.error or str(exc)
            self._enter("failed")

    async def _solve(self, plan: Plan | None, finished: dict[str, StepRun]) -> None:
        if plan is not None:
            self.plan = plan
            await self._run_steps(plan, finished)
            return
        planner = open_planner(self._source, self.options)
        messages = planner_messages(self.question, system_prompt=self.options.planner_prompt)
        for _ in range(1 + self.options.replans):
            self._enter("planning")
            try:
                await self._run_steps(self._written(planner, messages), finished)
                return
            except StoreError:
                raise
            except MultiLLMError as exc:
                self.set_aside()
                if (again := planner.after(self.planning[-1], exc)) is None:
                    break
                messages = again
        await self._run_directly()

    async def _run_directly(self) -> None:
        """No usable plan: one step that asks the question itself."""
        self.plan_is_direct = True
        self.plan = Plan((Step("1", self.question, HARDEST, DIRECT_TOKENS),))
        await self._run_steps(self.plan, {})

    def set_aside(self) -> None:
        """The plan was given up while it was written: what it had begun goes to the attempt that wrote it, where it
        counts, and where the next plan finds what is solved already."""
        begun = {i: step for i, step in self.steps.items() if step.attempts or step.state == "done"}
        self.planning[-1].begun |= begun
        self.steps = {}

    async def _run_steps(self, steps: Plan | AsyncGenerator[Step, None], finished: dict[str, StepRun]) -> None:
        executor = PlanExecutor(self._source, self.options.executor, journal=self, on_change=self._changed)
        self.steps = executor.runs
        known: list[MutableMapping[str, StepRun]] = [finished, *(attempt.begun for attempt in self.planning)]
        await self._save()
        if isinstance(steps, Plan):
            self._enter("running")
            await executor.execute(steps, finished=known)
            return
        async with contextlib.aclosing(steps):
            await executor.execute(steps, finished=known)

    async def record(self, run: StepRun) -> None:
        """Have a finished step written down, as long as the plan is written with all that there is of it."""
        if self._journal is None:
            return
        if self.state == "planning":
            await self._journal.save(self)
        else:
            await self._journal.record(run)

    async def _written(self, planner: Planner, messages: tuple[Message, ...]) -> AsyncGenerator[Step, None]:
        async with contextlib.aclosing(planner.write(messages, self._changed)) as pieces:
            async for piece in pieces:
                if isinstance(piece, PlanningAttempt):
                    self.planning.append(piece)
                else:
                    yield piece
        self.plan = self.planning[-1].plan
        self._enter("running")
        # The plan is stored before its last steps are, so that a resumed run needs no planner.
        await self._save()

    async def _aggregate(self) -> None:
        assert self.plan is not None
        answers = {step_id: run.answer for step_id, run in self.steps.items() if run.answer is not None}
        if not answers:
            reasons = dict.fromkeys(run.error for run in self.steps.values() if run.state == "failed")
            self.error = f"no step has an answer: {'; '.join(filter(None, reasons))}"
            return
        if len(answers) == len(self.plan.steps) and self.last_step_suffices:
            self.answer = result_of(answers[self.plan.sinks[-1]], self.options.executor.result_after)
            return
        await self._ask_aggregator(self.plan, answers)

    @property
    def last_step_suffices(self) -> bool:
        """Whether the answer of a whole plan is that of its last step, so that no model puts answers together."""
        ends_in_one = self.plan is not None and len(self.plan.sinks) == 1
        return self.plan_is_direct or (self.options.aggregation == "last_step" and ends_in_one)

    async def _ask_aggregator(self, plan: Plan, answers: Mapping[str, str]) -> None:
        self.aggregate = AnswerProgress(requested_at=now())
        prompt = aggregate_prompt(self.question, plan, answers)
        request = GenerationRequest(messages=(Message("user", prompt),), config=self.options.aggregator_config)
        target = self.options.aggregator_model
        async with contextlib.aclosing(self._source.stream(target, request)) as events:
            async for event in events:
                self.aggregate.apply(event)
                self._changed()
                if self.aggregate.is_over:
                    break
        fail_if_empty(self.aggregate)
        if self.aggregate.state == "done":
            self.answer = self.aggregate.text.strip()
        else:
            self.error = f"the answers could not be put together: {self.aggregate.error or 'cut off'}"

    def _enter(self, state: RunState) -> None:
        self.state = state
        self._changed()

    def _changed(self) -> None:
        self.version += 1

    async def _save(self) -> None:
        if self._journal is not None:
            await self._journal.save(self)
