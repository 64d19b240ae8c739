"""What is done with one question of a data set: solved by a plan, planned only, or asked of a single model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Protocol

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, InferenceError, RunAtWorkError, RunNotFoundError
from multi_llm_comparator.core.requests import GenerationRequest, Message, OneRun, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.evaluation.datasets import Question
from multi_llm_comparator.evaluation.judging import Judge, Verdict
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome, outcome_of
from multi_llm_comparator.plans.config import EvaluationSection
from multi_llm_comparator.plans.executor import ExecutorOptions, exact_config
from multi_llm_comparator.plans.options import PlanOptions, open_planner
from multi_llm_comparator.plans.plan import HARDEST, Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun
from multi_llm_comparator.runs.task_run import new_run_id


class BegunRuns(Protocol):
    """Which question was begun with which run."""

    def run_of(self, question: Question) -> str | None: ...

    def begin(self, question: Question, run_id: str) -> None: ...


class Solver:
    """Plans a question, solves the plan, and has both judged where that is wanted.

    Args:
        source: answers.
        options: how.
        judge: scores plans and answers; None: nobody does.
        evaluation: what is to be judged.
        plans: where its runs live and are stored; None keeps them nowhere.
        begun: which questions were begun before, with which runs of ``plans``: these go on.
    """

    def __init__(
        self,
        source: TextSource,
        options: PlanOptions,
        *,
        judge: Judge | None = None,
        evaluation: EvaluationSection | None = None,
        plans: PlanRegistry | None = None,
        begun: BegunRuns | None = None,
    ) -> None:
        self._source = source
        self._plans = plans
        self._begun = begun
        self._options = options
        self._judge = judge
        self._evaluation = evaluation or EvaluationSection()

    async def __call__(self, question: Question) -> QuestionOutcome:
        if self._plans is None:
            run = PlanRun(self._source, question.text, self._options, run_id=new_run_id())
            await run.execute()
        else:
            run = await self._stored_run(self._plans, question)
        return outcome_of(question, run, await self.verdicts(run))

    async def _stored_run(self, plans: PlanRegistry, question: Question) -> PlanRun:
        run = await self._gone_on_with(plans, question) or await plans.start(question.text, self._options)
        try:
            if self._begun is not None:
                self._begun.begin(question, run.id)
            await plans.runs.wait(run.id)
        except BaseException:
            await plans.runs.stop(run.id)
            raise
        return run

    async def _gone_on_with(self, plans: PlanRegistry, question: Question) -> PlanRun | None:
        """The run that a question was begun with, at work on what it had not finished; None where there is none."""
        run_id = self._begun.run_of(question) if self._begun is not None else None
        if run_id is None:
            return None
        with contextlib.suppress(RunNotFoundError, DocumentError, RunAtWorkError):
            if (await plans.get(run_id)).question == question.text:
                return await plans.runs.resume(run_id, PlanRun)
        return None

    async def verdicts(self, run: PlanRun) -> tuple[Verdict, ...]:
        """What the judge says of a finished run; nothing when no judge is asked."""
        if self._judge is None:
            return ()
        asked = []
        if self._evaluation.judges_plans:
            asked.append(self._judge.judge_plan(run))
        if self._evaluation.judges_answers:
            asked.append(self._judge.judge_answers(run))
        return tuple(await asyncio.gather(*asked))


class PlanOnly:
    """Has the plan of a question written, and judged where there is a judge; solves nothing."""

    def __init__(self, source: TextSource, options: PlanOptions, *, judge: Judge | None = None) -> None:
        self._source = source
        self._options = options
        self._judge = judge

    async def __call__(self, question: Question) -> QuestionOutcome:
        options = self._options
        run = PlanRun(self._source, question.text, options, run_id=new_run_id())
        planner = open_planner(OneRun(self._source, run.id), options)
        run.planning = await planner.ask(question.text, options.planner_prompt, options.replans)
        run.plan, run.ended_at = run.planning[-1].plan, now()
        run.state = "done" if run.plan else "failed"
        run.error = run.planning[-1].error
        # Nothing was answered, so nothing can be right or wrong.
        verdicts = (await self._judge.judge_plan(run),) if self._judge else ()
        return outcome_of(question, run, verdicts).model_copy(update={"correct": None})


class DirectRun(PlanRun):
    """A question that one model is asked as it is: a run of one step, so that its figures are those of any other."""

    timeout_s: float | None = None

    async def _solve(self, plan: Plan | None, finished: Mapping[str, StepRun]) -> None:
        executor, at = self.options.executor, now()
        step = Step("1", self.question, HARDEST, executor.config.max_tokens)
        attempt = StepAttempt(executor.large_model, self.question, AnswerProgress(requested_at=at))
        asked = StepRun(step, "running", arrived_at=at, ready_at=at, started_at=at, attempts=[attempt])
        self.plan, self.plan_is_direct, self.steps = Plan((step,)), True, {"1": asked}
        self._enter("running")
        await self.save()
        try:
            await self._ask(attempt)
            asked.state, asked.answer = "done", attempt.progress.text.strip()
        except InferenceError as exc:
            asked.state, asked.error = "failed", str(exc)
            raise
        except asyncio.CancelledError:
            asked.state = "stopped"
            raise
        finally:
            asked.ended_at = now()
        await self.record(asked)

    async def _ask(self, attempt: StepAttempt) -> None:
        """Raises InferenceError: there is no answer, or not in time."""
        progress, config = attempt.progress, self.options.executor.config
        request = GenerationRequest(messages=(Message("user", attempt.prompt),), config=config)
        try:
            async with asyncio.timeout(self.timeout_s):
                await ask(self._source, attempt.target, request, progress, lambda _: self.changed())
        except TimeoutError:
            progress.error = f"no whole answer within {self.timeout_s:g} s"
        if progress.state != "done":
            raise InferenceError(progress.error or "the answer was cut off")


class Baseline:
    """Asks one model the question itself: what cooperation is measured against.

    Args:
        source: answers.
        model: the target that is asked.
        timeout_s: an answer that is not there by then has failed; None waits.
        config: how the model generates.
        plans: where its runs are stored; None keeps them nowhere.
    """

    def __init__(
        self,
        source: TextSource,
        model: str,
        *,
        timeout_s: float | None = None,
        config: ModelConfig | None = None,
        plans: PlanRegistry | None = None,
    ) -> None:
        executor = ExecutorOptions(small_model=model, large_model=model, config=config or exact_config())
        self._options = PlanOptions(executor=executor, router_model=model)
        self._source, self._timeout_s, self._plans = source, timeout_s, plans

    async def __call__(self, question: Question) -> QuestionOutcome:
        return outcome_of(question, await self.run(question.text))

    async def run(self, question: str) -> PlanRun:
        """The answer, or why there is none."""
        run = DirectRun(self._source, question, self._options, run_id=new_run_id())
        run.timeout_s = self._timeout_s
        if self._plans is None:
            await run.execute()
            return run
        await self._plans.launch(self._plans.recorded(run))
        try:
            await run.wait()
        except BaseException:
            await run.stop()
            raise
        return run
