from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from multi_llm_comparator.core.exceptions import InvalidParameterError, MultiLLMError, ProviderUnavailableError
from multi_llm_comparator.routing import Candidate, IntelligentRouter, Surroundings, default_rules, targets_of
from multi_llm_comparator.routing.router import KEPT_S, MAX_KEPT_DECISIONS
from multi_llm_comparator.routing.statistics import RoutingCounts
from tests.support.gateways import ActingSource
from tests.support.seed_models import MODES, SEED_MODELS

QUERIES = ("简单问答测试", "复杂数学推理：求解微分方程", "文档分析：分析商业报告", "多语言翻译：中英文互译")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Made:
    """A router over a source that acts as a test says."""

    def __init__(self, candidates: Sequence[Candidate] = SEED_MODELS) -> None:
        self.source, self.clock, self.candidates = ActingSource(), Clock(), candidates
        around = Surroundings(self.source, lambda rules: self.candidates, lambda: MODES)
        self.router = IntelligentRouter(around, default_rules(), RoutingCounts(), self.clock)


@pytest.fixture
def made() -> Made:
    return Made()


async def test_the_chosen_one_is_asked_and_its_text_comes_back(made: Made) -> None:
    assert await made.router.route_request("解方程：2x² + 5x - 3 = 0") == "I am qwen3_32b_reasoning"
    assert made.source.asked == ["qwen3_32b_reasoning"]


async def test_a_mode_is_asked_by_its_name(made: Made) -> None:
    found = await made.router.route("详细解释量子计算的原理和应用")
    assert (found.target, found.decision.strategy) == ("cooperate:parallel", "cooperate:parallel")


async def test_images_go_to_a_model_that_sees(made: Made) -> None:
    found = await made.router.route("What is it?", images=("data:image/png;base64,AA==",))
    assert found.target == "qwen2_5_vl_72b"
    assert made.source.requests[0].messages[0].images == ("data:image/png;base64,AA==",)


async def test_where_the_chosen_one_fails_the_next_best_answers_and_it_is_told(made: Made) -> None:
    made.source.usual["qwen3_32b_reasoning"] = ProviderUnavailableError("no connection")
    found = await made.router.route("解方程：2x = 4")
    assert found.target == targets_of(found.decision)[1]
    assert found.failed == (("qwen3_32b_reasoning", "no connection"),)
    assert made.router.get_routing_stats()["fell_back"] == 1


async def test_where_everybody_fails_the_error_names_who_was_asked(made: Made) -> None:
    for one in SEED_MODELS:
        made.source.usual[one.name] = ProviderUnavailableError("no connection")
    with pytest.raises(MultiLLMError, match=r"qwen3_32b_reasoning.*no connection.*;.*"):
        await made.router.route("解方程：2x = 4")
    assert len(made.source.asked) == 3
    stats = made.router.get_routing_stats()
    assert (stats["total_requests"], stats["success_rate"], stats["failed"]) == (1, 0.0, 1)


async def test_counts_have_the_keys_of_the_report_and_can_be_printed_before_any_request(made: Made) -> None:
    stats = made.router.get_routing_stats()
    assert f"{stats['total_requests']} {stats['success_rate']:.2%} {stats['average_latency']:.2f}" == "0 100.00% 0.00"
    await asyncio.gather(*(made.router.route_request(query) for query in QUERIES * 12))
    stats = made.router.get_routing_stats()
    assert (stats["total_requests"], stats["success_rate"], stats["running"]) == (48, 1.0, 0)
    assert sum(stats["strategy_usage"].values()) == 48
    assert stats["task_usage"]["translation"] == 12


async def test_the_same_decision_is_kept_for_a_while_and_only_while_nothing_changes(made: Made) -> None:
    router = made.router
    assert not router.decide("hello").is_cached
    assert router.decide("hello").is_cached
    assert not router.decide("hello", quality_priority=0.1).is_cached
    made.clock.now = KEPT_S + 1
    assert not router.decide("hello").is_cached
    made.candidates = [replace(SEED_MODELS[0], out="its circuit breaker is open"), *SEED_MODELS[1:]]
    assert not router.decide("hello").is_cached


async def test_kept_decisions_are_bounded(made: Made) -> None:
    for number in range(MAX_KEPT_DECISIONS + 50):
        made.router.decide(f"question {number}")
    assert len(made.router._kept) == MAX_KEPT_DECISIONS


async def test_a_wrong_weight_is_refused_before_anybody_is_asked(made: Made) -> None:
    with pytest.raises(InvalidParameterError, match="quality_priority"):
        await made.router.route_request("hello", quality_priority=7)
    assert made.source.asked == []


async def test_who_leaves_ends_the_answer(made: Made) -> None:
    from tests.support.gateways import hang

    made.source.usual["qwen3_32b_reasoning"] = hang
    asked = asyncio.ensure_future(made.router.route_request("解方程：2x = 4"))
    while not made.source.running["qwen3_32b_reasoning"]:
        await asyncio.sleep(0.001)
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    assert made.source.running.total() == 0
    assert made.router.get_routing_stats()["running"] == 0
