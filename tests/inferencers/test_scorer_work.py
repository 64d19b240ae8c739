"""What is read more than once is work that nobody asked for."""

from __future__ import annotations

from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.scorer import Scorer
from tests.inferencers.test_score_tokens import Letters
from tests.inferencers.test_scorer_ends import N_CTX, Indifferent

EXAMPLES = "worked examples that all questions of a subject begin with. " * 6


def question(n: int) -> ScoreRequest:
    return ScoreRequest(prefix=EXAMPLES + f"question {n}?", continuations=(" A", " B"))


def test_the_examples_are_read_once_when_the_first_question_comes_before_the_others() -> None:
    backend = Indifferent(held_tokens=3000)
    scorer = Scorer(backend, Letters(), N_CTX)
    scorer.submit(question(0))
    scorer.step(is_shared=False)
    for n in range(1, 6):
        scorer.submit(question(n))
    while scorer.is_busy:
        scorer.step(is_shared=False)
    assert backend.read < 2 * len(EXAMPLES)
