"""Runs the steps of a plan as a DAG: each starts the moment what it needs is there, also while the plan is written.

Driven by events alone: no polling, no waiting for whole levels. The only wait is for a free worker.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import EmptyAnswerError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.plans.errors import UnknownDependencyError
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompts import joined_results, result_of, step_prompt
from multi_llm_comparator.plans.ready_set import ReadySet
from multi_llm_comparator.plans.reuse import SolvedSteps
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun, StepState

DEFAULT_THRESHOLD = 5
DEFAULT_WORKERS = 10
# A plan may quote one answer many thousand times over.
MAX_PROMPT_CHARS = 1_000_000
# How often one model is asked that answers nothing.
EMPTY_TRIES = 2


def exact_config(max_tokens: int = 1024) -> ModelConfig:
    """How a model generates what is to be right rather than varied.

    Greedily, and without a penalty on repetition: plans and workings repeat their form, and quote numbers and words.
    """
    return ModelConfig(temperature=0, repeat_penalty=1.0, max_tokens=max_tokens)


@dataclass(frozen=True, kw_only=True)
class ExecutorOptions:
    """Who solves what. ``small_model`` and ``large_model`` are targets: a model's name, or a group.

    Steps of a difficulty of at least ``threshold`` go to the large model, the others to the small one; without
    ``enable_threshold`` all go to the large one. ``workers`` bounds the steps in flight. ``fall_back`` lets the large
    model try what the small one failed at.

    For models that show their working, ``result_after`` names what stands before the result (``=``, ``####``): later
    steps quote what follows the last one in an answer instead of the whole.
    """

    small_model: str
    large_model: str
    threshold: int = DEFAULT_THRESHOLD
    enable_threshold: bool = True
    workers: int = DEFAULT_WORKERS
    fall_back: bool = True
    result_after: str = ""
    config: ModelConfig = field(default_factory=exact_config)

    def is_hard(self, step: Step) -> bool:
        """Whether a step is one for the large model."""
        return step.difficulty >= self.threshold or not self.enable_threshold

    def target_of(self, step: Step) -> str:
        return self.large_model if self.is_hard(step) else self.small_model


class Journal(Protocol):
    """Where finished steps are written down; a step's dependents start only after :meth:`record` has returned."""

    async def record(self, run: StepRun) -> None: ...


class PlanExecutor:
    """Solves the steps of one plan. One executor, one execution.

    Args:
        source: answers the steps.
        options: who solves what.
        journal: keeps finished steps; None keeps them nowhere.
        on_change: called after each change of any step, on the event loop.
    """

    def __init__(
        self,
        source: TextSource,
        options: ExecutorOptions,
        *,
        journal: Journal | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.runs: dict[str, StepRun] = {}
        self._source = source
        self._options = options
        self._journal = journal
        self._on_change = on_change or (lambda: None)
        self._ready = ReadySet()
        self._solved = SolvedSteps()
        # Which earlier run stands behind a step, where there is one.
        self._taken: dict[str, StepRun] = {}
        self._configs: dict[int, ModelConfig] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._writing = True
        self._is_ending = False
        self._broken: BaseException | None = None
        self._owner: asyncio.Task[Any] | None = None

    async def execute(
        self, steps: Plan | AsyncIterable[Step], *, finished: Iterable[MutableMapping[str, StepRun]] = ()
    ) -> dict[str, StepRun]:
        """Solve all steps; returns what became of each, by id.

        Args:
            steps: a whole plan, or its steps as a planner writes them.
            finished: earlier tries, the steps of each by id. A step that was solved there, as were those it needs, is
                taken from there, whatever its id is now, and not solved again.

        Raises:
            UnknownDependencyError: the steps ended while some still wait for one that never came.
            StoreError: an answer could not be written down.
        """
        self._solved, self._owner = SolvedSteps(finished), asyncio.current_task()
        try:
            if isinstance(steps, Plan):
                for step in steps.steps:
                    self._arrive(step)
                self._dispatch()
            else:
                async for step in steps:
                    self._arrive(step)
                    self._dispatch()
            self._writing = False
            self._check_arrived()
            self._settle()
            await self._settled.wait()
            if self._broken is not None:
                raise self._broken
        except asyncio.CancelledError:
            if self._broken is not None and self._owner is not None and not self._owner.uncancel():
                raise self._broken from None
            raise
        finally:
            await self._end_all()
        return self.runs

    def _arrive(self, step: Step) -> None:
        run = self.runs[step.id] = StepRun(step, arrived_at=now())
        state = self._ready.add(step)
        if state == "lost":
            self._end(run, "skipped", "a step it needs has no answer")
        elif state == "ready":
            self._make_ready([step.id])
        self._on_change()

    def _make_ready(self, step_ids: list[str]) -> None:
        """All that these steps need is there: they may start, or have their answers from before."""
        at, pending = now(), deque(step_ids)
        while pending:
            run = self.runs[pending.popleft()]
            if run.state != "waiting":
                continue
            if self._take_over(run.step):
                # It takes no worker, and those that need it may go on.
                pending.extend(self._ready.done(run.step.id))
            else:
                run.state, run.ready_at = "ready", at

    def _take_over(self, step: Step) -> bool:
        known = self._solved.take(step, [self._taken.get(n) for n in step.rely])
        if known is None:
            return False
        self._taken[step.id] = known
        self.runs[step.id] = replace(known, step=step)
        return True

    def _dispatch(self) -> None:
        """Start ready steps while there are workers; called whenever either may have changed."""
        while len(self._tasks) < self._options.workers and not self._is_ending:
            step = self._ready.pop()
            if step is None:
                break
            run = self.runs[step.id]
            if run.state == "done":
                continue
            task = asyncio.create_task(self._solve(run))
            self._tasks.add(task)
            task.add_done_callback(self._worker_is_free)

    def _worker_is_free(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._break(error)
        self._dispatch()
        self._settle()

    def _break(self, error: BaseException) -> None:
        """Nothing else starts: what failed is no step but what holds them all, as the store."""
        if self._writing and not self._is_ending and self._owner is not None:
            # It waits for the planner, who has no reason to hurry.
            self._owner.cancel()
        self._broken, self._is_ending = self._broken or error, True
        if not isinstance(error, MultiLLMError):
            asyncio.get_running_loop().call_exception_handler({"message": "a step broke", "exception": error})

    def _settle(self) -> None:
        if self._broken is not None or (not self._writing and not self._tasks):
            self._settled.set()

    async def _solve(self, run: StepRun) -> None:
        run.state, run.started_at = "running", now()
        answers = {n: result_of(self.runs[n].answer or "", self._options.result_after) for n in run.step.rely}
        joined = joined_results(run.step, answers)
        prompt = joined or step_prompt(run.step, answers, {n: self.runs[n].step.task for n in run.step.rely})
        if len(prompt) > MAX_PROMPT_CHARS:
            run.error = (
                f"with the answers that it quotes the step has {len(prompt)} characters; {MAX_PROMPT_CHARS} at most"
            )
            self._fail(run)
            return
        if joined is not None:
            run.answer = joined
            await self._finish(run)
            return
        try:
            for target in self._targets(run.step):
                if await self._tries(run, target, prompt):
                    break
        except asyncio.CancelledError:
            self._end(run, "stopped", None)
            raise
        if run.answer is None:
            self._fail(run)
        else:
            await self._finish(run)

    def _targets(self, step: Step) -> list[str]:
        """The step's model, then the large one for what the small one cannot do."""
        first = self._options.target_of(step)
        last = self._options.large_model
        return [first, last] if self._options.fall_back and last != first else [first]

    async def _tries(self, run: StepRun, target: str, prompt: str) -> bool:
        """Ask a model; again if it answers nothing. The gateway has tried what else there is to try."""
        for _ in range(EMPTY_TRIES):
            if await self._attempt(run, target, prompt):
                return True
            if run.attempts[-1].progress.error_type != EmptyAnswerError.__name__:
                break
        return False

    async def _attempt(self, run: StepRun, target: str, prompt: str) -> bool:
        progress = AnswerProgress(requested_at=now())
        run.attempts.append(StepAttempt(target, prompt, progress))
        self._on_change()
        await ask(self._source, target, self._request(run.step, prompt), progress, lambda _: self._on_change())
        if progress.state != "done":
            run.error = progress.error or "the answer was cut off"
            return False
        run.answer, run.error = progress.text.strip(), None
        return True

    def _request(self, step: Step, prompt: str) -> GenerationRequest:
        max_tokens = min(step.token, get_settings().max_tokens_limit)
        # Plans use few different budgets: one configuration each, not one for every step.
        config = self._configs.get(max_tokens)
        if config is None:
            config = self._configs[max_tokens] = replace(self._options.config, max_tokens=max_tokens)
        return GenerationRequest(messages=(Message("user", prompt),), config=config)

    async def _finish(self, run: StepRun) -> None:
        self._end(run, "done", None)
        if self._journal is not None:
            await self._journal.record(run)
        self._make_ready(self._ready.done(run.step.id))
        # A worker is about to be free, but those that became ready need not wait for that.
        self._dispatch()

    def _fail(self, run: StepRun) -> None:
        self._end(run, "failed", run.error)
        for lost in self._ready.failed(run.step.id):
            self._end(self.runs[lost], "skipped", f"step {run.step.id!r}, which it needs, has no answer")

    def _end(self, run: StepRun, state: StepState, error: str | None) -> None:
        run.state, run.ended_at, run.error = state, now(), error
        self._on_change()

    def _check_arrived(self) -> None:
        if absent := self._ready.absent():
            raise UnknownDependencyError(f"steps wait for {', '.join(sorted(absent))}, which the plan does not have")

    async def _end_all(self) -> None:
        """However the execution ends, nothing goes on behind it and no step is left in between."""
        self._is_ending = True
        await end_tasks(*self._tasks)
        for run in self.runs.values():
            if not run.is_over:
                self._end(run, "skipped", "the run was stopped")
