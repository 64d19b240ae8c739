"""A question on its way to an answer: planned, solved step by step, aggregated. Outlives the page that started it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from dataclasses import replace

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError, StoreError, error_from_name, kind_of_all
from multi_llm_comparator.core.requests import GenerationRequest, Message, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.documents import run_document, step_item
from multi_llm_comparator.plans.executor import PlanExecutor
from multi_llm_comparator.plans.options import KIND, Phase, PlanOptions, open_planner
from multi_llm_comparator.plans.plan import HARDEST, Plan, Step
from multi_llm_comparator.plans.planner import Planner, PlanningAttempt
from multi_llm_comparator.plans.prompts import aggregate_prompt, planner_messages, result_of
from multi_llm_comparator.plans.step_run import StepRun, StepState
from multi_llm_comparator.runs.stored import record_of
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

DIRECT_TOKENS = 1024
MAX_TITLE_CHARS = 200


class PlanRun(TaskRun["PlanRun", Phase]):
    """One question. ``steps`` are those of the plan in use; what an unusable one had begun is in ``planning``.

    A run that is only looked at (:meth:`snapshot`) is of this class too.
    """

    kind = KIND

    def __init__(self, source: TextSource, question: str, options: PlanOptions, *, run_id: str) -> None:
        self.id = run_id
        self.question = question
        self.options = options
        self.created_at = now()
        # From when to when nobody worked on it, in seconds since the epoch: it was stopped, or the workbench had ended.
        self.pauses: list[tuple[float, float]] = []
        self.planning: list[PlanningAttempt] = []
        self.plan: Plan | None = None
        self.plan_is_direct = False
        self.steps: dict[str, StepRun] = {}
        self.aggregate: AnswerProgress | None = None
        self.answer: str | None = None
        self._source = OneRun(source, run_id)
        # What it begins with.
        self._given: Plan | None = None
        self._finished: dict[str, StepRun] = {}
        # What was handed over of each step, so that saving a large run again writes only what is new.
        self._noted: dict[str, tuple[StepRun, StepState]] = {}

    @property
    def title(self) -> str:
        return self.question if len(self.question) <= MAX_TITLE_CHARS else f"{self.question[: MAX_TITLE_CHARS - 1]}…"

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

    def frozen(self) -> PlanRun:
        """The run as it is; what a copy shares with the run does not change."""
        taken = copy.copy(self)
        taken._task, taken._frozen = None, None
        taken.pauses = list(self.pauses)
        taken.planning = [_attempt_of(attempt) for attempt in self.planning]
        taken.steps = {step_id: _step_of(step) for step_id, step in self.steps.items()}
        taken.aggregate = None if self.aggregate is None else replace(self.aggregate)
        return taken

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self, *, plan: Plan | None = None, finished: Mapping[str, StepRun] | None = None) -> None:
        """Answer the question, beside the caller: see :meth:`execute`."""
        self.launch(self.execute(plan=plan, finished=finished))

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
        """Answer the question: see :meth:`TaskRun.execute`.

        Args:
            plan: solve this one instead of asking for one.
            finished: steps that were solved before; those that a plan written anew repeats are not solved again.
        """
        self._given, self._finished = plan, dict(finished or {})
        await super().execute()

    async def work(self) -> None:
        await self._solve(self._given, self._finished)
        self._enter("running", "aggregating")
        await self._aggregate()

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
        executor = PlanExecutor(self._source, self.options.executor, journal=self, on_change=self.changed)
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
        if self.phase == "planning":
            await self.save()
        else:
            await self._commit(run.step.id)

    async def _written(self, planner: Planner, messages: tuple[Message, ...]) -> AsyncGenerator[Step, None]:
        async with contextlib.aclosing(planner.write(messages, self.changed)) as pieces:
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
            raise self._nothing()
        if len(answers) == len(self.plan.steps) and self.last_step_suffices:
            self.answer = result_of(answers[self.plan.sinks[-1]], self.options.executor.result_after)
            return
        await self._ask_aggregator(self.plan, answers)

    def _nothing(self) -> MultiLLMError:
        """No step has an answer: an error of the kind that they failed with, which says why of each."""
        failed = [run for run in self.steps.values() if run.state == "failed"]
        reasons = dict.fromkeys(run.error for run in failed)
        kinds = [run.attempts[-1].progress.error_type or "" for run in failed if run.attempts]
        return error_from_name(kind_of_all(kinds), f"no step has an answer: {'; '.join(filter(None, reasons))}")

    @property
    def last_step_suffices(self) -> bool:
        """Whether the answer of a whole plan is that of its last step, so that no model aggregates."""
        ends_in_one = self.plan is not None and len(self.plan.sinks) == 1
        return self.plan_is_direct or (self.options.aggregation == "last_step" and ends_in_one)

    async def _ask_aggregator(self, plan: Plan, answers: Mapping[str, str]) -> None:
        self.aggregate = AnswerProgress(requested_at=now())
        prompt = aggregate_prompt(self.question, plan, answers)
        request = GenerationRequest(messages=(Message("user", prompt),), config=self.options.aggregator_config)
        await ask(self._source, self.options.aggregator_model, request, self.aggregate, lambda _: self.changed())
        if self.aggregate.state == "done":
            self.answer = self.aggregate.text.strip()
        else:
            said = f"the answers could not be combined: {self.aggregate.error or 'cut off'}"
            raise error_from_name(self.aggregate.error_type or "", said)

    # --- what is stored ---------------------------------------------------------------------------------------------

    async def save(self, *keys: str) -> None:
        """Have all that is new of it written down. Raises as :meth:`TaskRun.save`."""
        new = [step_id for step_id, step in self.steps.items() if not self._is_noted(step)]
        await super().save(*new, *keys)

    def run_record(self) -> RunRecord:
        """Its line in lists names the models."""
        executor = self.options.executor
        names = dict.fromkeys((self.options.router_model, executor.small_model, executor.large_model))
        return record_of(
            self,
            run_document(self),
            detail=", ".join(filter(None, names)),
            models=filter(None, names),
            search_text=f"{self.question}\n{self.answer or ''}",
        )

    def item_record(self, key: str) -> ItemRecord:
        step = self.steps[key]
        self._noted[key] = step, step.state
        return step_item(self.id, step, list(self.steps).index(key))

    def _is_noted(self, step: StepRun) -> bool:
        known, state = self._noted.get(step.step.id, (None, None))
        return known is step and state == step.state


def _attempt_of(attempt: PlanningAttempt) -> PlanningAttempt:
    begun = {step_id: _step_of(step) for step_id, step in attempt.begun.items()}
    return replace(attempt, progress=replace(attempt.progress), repairs=list(attempt.repairs), begun=begun)


def _step_of(step: StepRun) -> StepRun:
    return replace(step, attempts=[replace(a, progress=replace(a.progress)) for a in step.attempts])
