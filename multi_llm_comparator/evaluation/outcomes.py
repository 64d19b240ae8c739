"""What became of one question of a data set: a line in the results, from which reports are made and runs resumed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.evaluation.datasets import Question
from multi_llm_comparator.evaluation.judging import Verdict
from multi_llm_comparator.evaluation.scoring import is_correct
from multi_llm_comparator.plans.metrics import RunMetrics, StepMetrics, run_metrics, step_metrics
from multi_llm_comparator.plans.plan_run import PlanRun

Size = Literal["small", "large"]


class StepOutcome(ClosedModel):
    """One step: what was asked, of which of the two models, and what it answered."""

    task: str
    rely: tuple[str, ...]
    token: int
    size: Size
    answer: str | None
    error: str | None
    metrics: StepMetrics


class QuestionOutcome(ClosedModel):
    """One question. ``correct`` None means that nobody knows, or that it was not to be answered."""

    id: str
    question: str
    expected: str | None = None
    subject: str | None = None
    difficulty: str | None = None
    state: str
    answer: str | None = None
    correct: bool | None = None
    error: str | None = None
    plan: str | None = None
    thinking: str = ""
    plan_is_direct: bool = False
    plan_error: str | None = None
    steps: tuple[StepOutcome, ...] = ()
    metrics: RunMetrics | None = None
    verdicts: tuple[Verdict, ...] = ()

    def is_of(self, question: Question) -> bool:
        """Whether it is the question's: ids are often no more than places in a file, and files change."""
        return (self.id, self.question, self.expected) == (question.id, question.text, expected_of(question))


def outcome_of(question: Question, run: PlanRun, verdicts: tuple[Verdict, ...] = ()) -> QuestionOutcome:
    """The outcome of a question that was planned and solved."""
    written = [attempt for attempt in run.planning if attempt.plan is not None]
    return QuestionOutcome(
        id=question.id,
        question=question.text,
        expected=expected_of(question),
        subject=question.subject,
        difficulty=question.difficulty,
        state=run.state,
        answer=run.answer,
        correct=is_correct(question, run.answer or ""),
        error=run.error,
        plan=run.plan.to_xml() if run.plan else None,
        thinking=written[-1].thinking if written else "",
        plan_is_direct=run.plan_is_direct,
        plan_error=run.planning[-1].error if run.planning else None,
        steps=step_outcomes(run),
        metrics=run_metrics(run),
        verdicts=verdicts,
    )


def expected_of(question: Question) -> str | None:
    """What counts as right, as an outcome names it."""
    return question.choice if question.answer is None else question.answer


def step_outcomes(run: PlanRun) -> tuple[StepOutcome, ...]:
    executor = run.options.executor
    return tuple(
        StepOutcome(
            task=one.step.task,
            rely=one.step.rely,
            token=one.step.token,
            size="large" if executor.is_hard(one.step) else "small",
            answer=one.answer,
            error=one.error,
            metrics=step_metrics(one),
        )
        for one in run.steps.values()
    )


def step_row(step: StepOutcome) -> dict[str, object]:
    """A step as one flat row."""
    row: dict[str, object] = asdict(step.metrics)
    return {**row, "size": step.size, "rely": ",".join(step.rely), "token": step.token, "task": step.task}
