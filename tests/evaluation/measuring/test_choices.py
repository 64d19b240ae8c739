"""Lettered choices in a prompt set: scored where probabilities can be seen, looked for in the answer where not."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, ScoreResult
from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.human_votes import voting_spec
from multi_llm_comparator.evaluation.prompt_set_files import read_prompt_set
from tests.evaluation.measuring.making import Saying, asked_all, evaluation

PRIMES = read_prompt_set(
    b"question,A,B,C,answer,tags\nWhich is a prime?,4,7,9,B,maths\nWhich is even?,3,8,,8,maths\nWrite a word.,,,,,\n",
    "primes.csv",
)
SHOWN = "Which is a prime?\nA. 4\nB. 7\nC. 9\nAnswer:"
ROUGH_NATS = 0.125


class Scorer:
    """Finds B likeliest, A almost as likely, for a model that computes roughly."""

    def __init__(self) -> None:
        self.asked: list[ScoreRequest] = []

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        if target != "seen":
            raise UnsupportedModelError("it only writes")
        self.asked.append(request)
        nats = [-1.1, -1.0, -3.0][: len(request.continuations)]
        found = (ContinuationScore(logprob=p, token_logprobs=(p,), is_greedy=False) for p in nats)
        return ScoreResult(continuations=tuple(found), tie_nats=ROUGH_NATS, prompt="<user>as the template wrote it")


async def test_a_row_of_choices_is_scored_or_looked_for_in_what_is_written(opened: Any) -> None:
    scorer, source = Scorer(), Saying(lambda target, request: "The answer is (C).")
    registry = opened(source, scorer=scorer, is_local=lambda target: False)
    run = await asked_all(registry, evaluation(PRIMES, "seen", "writes"))
    assert [(item.compare, item.is_choice, item.target) for item in run.items] == [
        ("choice", True, "B"),
        ("choice", True, "B"),
        ("none", False, ""),
    ]
    seen, written = (run.cells[CellKey(0, letter)] for letter in "ab")
    assert (seen.how, seen.correct, seen.text, seen.is_tie) == ("scored", True, "B", True)
    assert (written.how, written.correct, written.reason) == ("extracted", False, "wrote C, right is B")
    # What is not there is not chosen.
    assert run.cells[CellKey(1, "b")].reason == "no choice was found in the answer"
    assert scorer.asked[0].prefix == (Message("user", SHOWN),)
    assert [request.continuations for request in scorer.asked] == [("A", "B", "C"), ("A", "B")]
    assert seen.prompt == "<user>as the template wrote it"
    # Votes are on texts, and a letter is none.
    assert [row.id for row in voting_spec(run.snapshot()).prompts] == ["3"]


async def test_a_tie_is_still_one_when_answers_are_scored_anew(opened: Any) -> None:
    registry = opened(Saying(lambda *_: "B"), scorer=Scorer())
    run = await asked_all(registry, evaluation(PRIMES, "seen"))
    assert await run.rescore() == 0
    assert run.cells[CellKey(0, "a")].is_tie
    other = PRIMES.model_copy(update={"rows": (PRIMES.rows[0].model_copy(update={"expected": "4"}), *PRIMES.rows[1:])})
    assert await run.rescore(other) == 1
    assert (run.cells[CellKey(0, "a")].correct, run.items[0].target) == (False, "A")
