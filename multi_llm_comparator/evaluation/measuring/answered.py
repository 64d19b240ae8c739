"""Data sets that plans or single models have answered, as an evaluation: a verdict on them, and nobody is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.measuring.cells import MAX_ANSWER_CHARS, Cell, CellKey
from multi_llm_comparator.evaluation.measuring.crossing import Way, crossed
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice, checked_spec
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A data-set run that has ended: who answered, what reports call them, and what came of each question."""

    target: str
    label: str
    outcomes: Sequence[QuestionOutcome]


async def keep_answered(
    evaluations: EvaluationRegistry, data: TaskChoice, runs: Sequence[Answered], title: str = ""
) -> EvaluationRun:
    """Store an evaluation of what these runs answered to the questions of ``data``. What is right is what their reports
    say; questions without a known answer are left out.

    Raises:
        ConfigurationError: these are more runs than fit.
        DocumentError: the data set cannot be read, or nothing was answered of it.
    """
    greedy = Way(ModelConfig(temperature=0.0))
    subjects = crossed([run.target for run in runs], [run.label for run in runs], [greedy])
    spec = checked_spec(title=title, subjects=subjects, tasks=[data])

    def answers(materials: Sequence[Material]) -> dict[CellKey, Cell]:
        cells = {}
        for subject, run in zip(subjects, runs, strict=True):
            known = {(one.id, one.question): one for one in run.outcomes}
            for number, material in enumerate(materials):
                if (outcome := known.get((material.item.id, material.item.question))) is not None:
                    cells[CellKey(number, subject.id)] = cell_of(outcome)
        if not cells:
            raise DocumentError(f"none of the answers is to a question of {data.name!r}; it may have changed since")
        return cells

    return await evaluations.keep(spec, answers)


def cell_of(outcome: QuestionOutcome) -> Cell:
    """What became of one question, as an answer of an evaluation."""
    is_done, figures = outcome.state == "done" and outcome.answer is not None, outcome.metrics
    return Cell(
        state="done" if is_done else "failed",
        text=(outcome.answer or "")[:MAX_ANSWER_CHARS],
        score=float(outcome.correct) if is_done and outcome.correct is not None else None,
        correct=outcome.correct if is_done else None,
        error=None if is_done else outcome.error or "there is no answer",
        error_type=None if is_done else "InferenceError",
        ended_at=figures.wall_s if figures else None,
        tokens=figures.tokens if figures else 0,
        prompt_tokens=figures.prompt_tokens if figures else 0,
        cost_usd=figures.cost_usd if figures else None,
    )
