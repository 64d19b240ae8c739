"""What data-set runs have answered becomes an evaluation, without asking anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.evaluation.measuring.answered import Answered, keep_answered
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.sources import HUB
from tests.evaluation.measuring.making import Opened, Saying, cell_of

KNOWN = 30


def nobody(target: str, request: GenerationRequest) -> str:
    raise AssertionError(f"{target} was asked")


def outcome(number: int, *, correct: bool | None, state: str = "done") -> QuestionOutcome:
    answer = "yes" if state == "done" else None
    return QuestionOutcome(
        id=str(number), question=f"What is {number}?", expected="x", state=state, answer=answer, correct=correct
    )


@pytest.fixture
def data(tmp_path: Path) -> TaskChoice:
    rows = [{"problem": f"What is {n}?", **({"answer": "x"} if n <= KNOWN else {})} for n in range(1, KNOWN + 3)]
    path = tmp_path / "stem.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return TaskChoice(name=str(path))


async def test_two_runs_of_a_data_set_get_a_verdict_and_are_stored(opened: Opened, data: TaskChoice) -> None:
    registry = opened(Saying(nobody), tasks=lambda choice: load_tasks(choice.name, HUB, choice.options))
    planned = [outcome(n, correct=True) for n in range(1, KNOWN + 3)]
    single = [outcome(n, correct=n > 20) for n in range(1, KNOWN)] + [outcome(KNOWN, correct=None, state="failed")]
    runs = [Answered(target="plan (a, b, c)", label="plan", outcomes=planned)]
    runs += [Answered(target="c", label="c", outcomes=single)]
    run = await keep_answered(registry, data, runs, "Both")
    assert (run.state, run.title, len(run.items), len(run.cells)) == ("done", "Both", KNOWN, 2 * KNOWN)
    assert cell_of(run, KNOWN - 1, "b").error == "there is no answer"
    (verdict,) = results_of(run.snapshot()).verdicts
    assert (verdict.outcome, verdict.paired.n, verdict.paired.first_only) == ("better", KNOWN - 1, 20)
    assert [score.mean for score in run.scores] == [1.0, pytest.approx(9 / 29)]
    again = await opened(Saying(nobody)).get(run.id)
    assert (again.cells, again.items, again.scores) == (run.cells, run.items, run.scores)


async def test_answers_to_other_questions_are_refused(opened: Opened, data: TaskChoice) -> None:
    registry = opened(Saying(nobody), tasks=lambda choice: load_tasks(choice.name, HUB, choice.options))
    strange = outcome(1, correct=True).model_copy(update={"question": "And what is this?"})
    with pytest.raises(DocumentError, match="none of the answers is to a question of"):
        await keep_answered(registry, data, [Answered(target="c", label="c", outcomes=[strange])])
