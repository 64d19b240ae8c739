"""A question on its way to an answer: planned, solved step by step, put together. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import uuid
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError, RunAtWorkError, StoreError
from multi_llm_comparator.core.requests import GenerationRequest, Message, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions, Journal, PlanExecutor, exact_config
from multi_llm_comparator.plans.grammar import plan_grammar
from multi_llm_comparator.plans.plan import HARDEST, Plan, Step
from multi_llm_comparator.plans.planner import Planner, PlanningAttempt
from multi_llm_comparator.plans.prompts import aggregate_prompt, planner_messages, result_of
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ACTIVE, RunState

KIND = "plan"
Phase = Literal["", "planning", "aggregating"]
DIRECT_TOKENS = 1024
MAX_TITLE_CHARS = 200
# Taking one is a matter of milliseconds: a longer wait means that the loop is stuck.

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


class PlanRun(TaskRun):
    """One question. ``steps`` are those of the plan in use; what an unusable one had begun is in ``planning``.

    Everything here is written on the event loop that :meth:`execute` runs on. A run that is only looked at
    (:meth:`snapshot`) is of this class too.
    """

    kind = KIND
    id: str = ""
    state: RunState = "queued"
    phase: Phase = ""
    version: int = 0

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
        self.planning: list[PlanningAttempt] = []
        self.plan: Plan | None = None
        self.plan_is_direct = False
        self.steps: dict[str, StepRun] = {}
        self.aggregate: AnswerProgress | None = None
        self.answer: str | None = None
        self.error: str | None = None
        self._source = OneRun(source, run_id)
        self.journal = journal
        self._taken: PlanRun | None = None

    @property
    def title(self) -> str:
        return self.question if len(self.question) <= MAX_TITLE_CHARS else f"{self.question[: MAX_TITLE_CHARS - 1]}…"

    @property
    def is_over(self) -> bool:
        return self.state not in ACTIVE

    @property
    def last_moment(self) -> float:
        """When something last happened in it, as far as is known: one whose process was killed has no end."""
        if self.ended_at is not None:
            return self.ended_at
        asked = [attempt.progress for attempt in self.planning]
        asked += [attempt.progress for step in self.steps.values() for attempt in step.attempts]
        asked += [self.aggregate] if self.aggregate else []
        times = [(p.requested_at, p.started_at, p.last_token_at, p.ended_at) for p in asked]
        return max([self.created_at, *(at for several in times for at in several if at is not None)])

    def figures(self) -> dict[str, float]:
        """How long it took, what it wrote, and what it cost."""
        from multi_llm_comparator.plans.metrics import run_metrics

        found = run_metrics(self.snapshot())
        names = ("wall_s", "planning_s", "steps_s", "speed_up", "critical_path_s", "tokens", "share_small", "cost_usd")
        return {name: float(value) for name in names if (value := getattr(found, name)) is not None}

    def snapshot(self) -> PlanRun:
        return self.taken(self._taken_now)

    def _taken_now(self) -> PlanRun:
        if self._taken is None or self._taken.version != self.version or self._taken.owner != self.owner:
            self._taken = _copy_of(self)
        return self._taken

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self, *, plan: Plan | None = None, finished: Mapping[str, StepRun] | None = None) -> None:
        """Answer the question, beside the caller: see :meth:`execute`."""
        self.launch(self.execute(plan=plan, finished=finished))

    async def never_began(self, state: RunState) -> None:
        self._enter(state)
        await self._conclude()

    async def resume(self) -> None:
        if self.state == "done" and all(step.state == "done" for step in self.steps.values()):
            return
        self.pauses.append((self.last_moment, now()))
        self.answer, self.error, self.aggregate, self.ended_at = None, None, None, None
        self._enter("queued")
        if self.plan is None and self.planning:
            self.set_aside()
        self.begin(plan=self.plan, finished={i: step for i, step in self.steps.items() if step.state == "done"})

    async def execute(self, *, plan: Plan | None = None, finished: Mapping[str, StepRun] | None = None) -> None:
        """Answer the question. Nothing is raised but cancellation, which stops the run: the outcome is in ``state``,
        and the reason of what should never happen in the log.

        Args:
            plan: solve this one instead of asking for one.
            finished: steps that were solved before; those that a plan written anew repeats are not solved again.
        """
        try:
            await self._solve(plan, dict(finished or {}))
            self._enter("running", "aggregating")
            await self._aggregate()
            self._enter("done" if self.answer is not None else "failed")
        except MultiLLMError as exc:
            self.error = str(exc)
            self._enter("failed")
        except asyncio.CancelledError:
            self._enter(self._ends_as)
            raise
        except Exception:
            log.exception("run %s broke", self.id)
        finally:
            await self._conclude()

    async def _conclude(self) -> None:
        if not self.is_over:
            self.error = "something went wrong in the workbench; its log says what"
            self._enter("failed")
        self.ended_at = now()
        try:
            await self.save()
        except (StoreError, RunAtWorkError) as exc:
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
            self._enter("running", "planning")
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
        if isinstance(steps, Plan):
            self._enter("running")
        await self.save()
        if isinstance(steps, Plan):
            await executor.execute(steps, finished=known)
            return
        async with contextlib.aclosing(steps):
            await executor.execute(steps, finished=known)

    async def record(self, run: StepRun) -> None:
        """Have a finished step written down, as long as the plan is written with all that there is of it."""
        if self.journal is None:
            return
        if self.phase == "planning":
            await self.journal.save(self)
        else:
            await self.journal.record(run)

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
        await self.save()

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
        await ask(self._source, self.options.aggregator_model, request, self.aggregate, lambda _: self._changed())
        if self.aggregate.state == "done":
            self.answer = self.aggregate.text.strip()
        else:
            self.error = f"the answers could not be put together: {self.aggregate.error or 'cut off'}"

    def _enter(self, state: RunState, phase: Phase = "") -> None:
        self.state, self.phase = state, phase
        self._changed()

    def _changed(self) -> None:
        self.version += 1

    async def save(self) -> None:
        """Have all that there is of it written down.

        Raises:
            StoreError, RunAtWorkError: it cannot be.
        """
        if self.journal is not None:
            await self.journal.save(self)


def _copy_of(run: PlanRun) -> PlanRun:
    """The run as it is, for readers on other threads; what it shares with the run does not change."""
    taken = copy.copy(run)
    taken._task = taken.journal = taken._taken = None
    taken.pauses = list(run.pauses)
    taken.planning = [_attempt_of(attempt) for attempt in run.planning]
    taken.steps = {step_id: _step_of(step) for step_id, step in run.steps.items()}
    taken.aggregate = None if run.aggregate is None else replace(run.aggregate)
    return taken


def _attempt_of(attempt: PlanningAttempt) -> PlanningAttempt:
    begun = {step_id: _step_of(step) for step_id, step in attempt.begun.items()}
    return replace(attempt, progress=replace(attempt.progress), repairs=list(attempt.repairs), begun=begun)


def _step_of(step: StepRun) -> StepRun:
    return replace(step, attempts=[replace(a, progress=replace(a.progress)) for a in step.attempts])
