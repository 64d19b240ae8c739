"""Scoring in a test: submit to a scorer, run it to the end, read the results."""

from __future__ import annotations

from collections.abc import Sequence

from multi_llm_comparator.core.events import Failed, Scored
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.inferencers.scorer import Scorer

MAX_STEPS = 20_000


def outcomes(
    scorer: Scorer, requests: Sequence[ScoreRequest], *, is_shared: bool = False
) -> list[ScoreResult | Failed]:
    """Each request's result or failure, in order, all submitted before the first step."""
    for request in requests:
        scorer.submit(request)
    found: dict[str, ScoreResult | Failed] = {}
    for _ in range(MAX_STEPS):
        if not scorer.is_busy:
            return [found[request.id] for request in requests]
        for event in scorer.step(is_shared=is_shared):
            assert event.request_id not in found
            if isinstance(event, Scored):
                found[event.request_id] = ScoreResult.from_dict(event.result)
            elif isinstance(event, Failed):
                found[event.request_id] = event
    raise AssertionError("the scorer does not come to an end")


def results(scorer: Scorer, requests: Sequence[ScoreRequest], *, is_shared: bool = False) -> list[ScoreResult]:
    """Each request's result; none may fail."""
    found = outcomes(scorer, requests, is_shared=is_shared)
    assert all(isinstance(one, ScoreResult) for one in found), found
    return [one for one in found if isinstance(one, ScoreResult)]
