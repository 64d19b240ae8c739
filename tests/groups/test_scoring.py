"""Whose scores a name stands for: a local model's, an endpoint's, or nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, ScoreResult
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.scoring import GatewayScorer
from tests.support.gateways import ActingSource, Given

ASKED = ScoreRequest(prefix="a", continuations=(" b",))
RESULT = ScoreResult(continuations=(ContinuationScore(logprob=-1.0, token_logprobs=(-1.0,), is_greedy=True),))


class Engine:
    """Scores what it is asked and remembers of whom."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        self.asked.append(target)
        return RESULT


async def test_a_local_model_is_scored_and_what_shows_no_probabilities_is_not(tmp_path: Path) -> None:
    config = {
        "models": {
            "short": {"local": "a-long-name"},
            "far": {"base_url": "http://127.0.0.1:9/v1"},
        },
        "task_groups": {"pair": {"echelons": {"echelon1": {"models": ["short", "far"]}}}},
    }
    engine, manager = Engine(), TaskGroupManager(Given(config))
    gateway = Gateway(manager, ActingSource(), folder=tmp_path)
    scorer = GatewayScorer(gateway, engine)
    try:
        assert await scorer.score("plain", ASKED) == await scorer.score("short", ASKED) == RESULT
        assert engine.asked == ["plain", "a-long-name"]
        with pytest.raises(UnsupportedModelError, match="echoes"):
            await scorer.score("far", ASKED)
        with pytest.raises(UnsupportedModelError, match="several models"):
            await scorer.score("pair", ASKED)
    finally:
        await gateway.aclose()
