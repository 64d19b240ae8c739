"""Score requests are bounded, survive the wire, and say what a tie is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.scores import (
    MAX_CHARACTERS,
    MAX_CONTINUATIONS,
    TIE_NATS,
    ContinuationScore,
    Likeliest,
    ScoreRequest,
    ScoreResult,
    best_of,
    ties,
)

PREFIXES = ("a question", (1, 2, 3), (Message("system", "be brief"), Message("user", "hello")), "")


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_request_is_the_same_behind_the_wire(prefix: str | tuple[int, ...] | tuple[Message, ...]) -> None:
    request = ScoreRequest(prefix=prefix, continuations=(" A", (4, 5)), may_truncate=True, top_k=3)
    assert ScoreRequest.from_dict(json.loads(json.dumps(request.to_dict()))) == request


def test_a_result_is_the_same_behind_the_wire() -> None:
    one = ContinuationScore(
        logprob=-1.5,
        token_logprobs=(-1.0, -0.5),
        is_greedy=False,
        tokens=(7, 8),
        greedy_matches=(True, False),
        top=(Likeliest((7, 9), (-1.0, -2.0)), Likeliest((3, 8), (-0.25, -0.5))),
        at=((-1.0,), ()),
    )
    result = ScoreResult(continuations=(one,), prefix_tokens=3, notes=("slow",))
    assert ScoreResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.parametrize(
    "wrong",
    [
        {"continuations": ()},
        {"continuations": ("",)},
        {"continuations": ("a",) * (MAX_CONTINUATIONS + 1)},
        {"continuations": ("a" * (MAX_CHARACTERS + 1),)},
        {"continuations": ("a",), "top_k": -1},
        {"continuations": ("a", "b"), "at": ((1,),)},
        {"continuations": ("a",), "is_rolling": True},
    ],
)
def test_a_wrong_request_is_refused_with_what_is_wrong(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidParameterError):
        ScoreRequest(prefix="before", **wrong)  # type: ignore[arg-type]


@given(st.lists(st.floats(-50, 0), min_size=1, max_size=8))
def test_the_best_is_the_first_of_the_largest_and_ties_with_what_is_near(values: list[float]) -> None:
    best = best_of(values)
    assert values[best] == max(values) and values.index(max(values)) == best
    others = [value for i, value in enumerate(values) if i != best]
    assert ties(values) == any(values[best] - value < TIE_NATS for value in others)
