from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import InvalidParameterError, NoModelAvailableError
from multi_llm_comparator.routing import Candidate, Preference, RoutingDecision, analyse, choose, default_rules
from multi_llm_comparator.routing.candidates import size_in_name
from tests.support.seed_models import MODES, SEED_MODELS

RULES = default_rules()


def decided(
    query: str,
    candidates: tuple[Candidate, ...] = SEED_MODELS,
    modes: tuple[str, ...] = MODES,
    *,
    has_images: bool = False,
    **weights: float,
) -> RoutingDecision:
    analysis = analyse(query, RULES, has_images=has_images)
    return choose(analysis, candidates, RULES, Preference.of(RULES, **weights), query=query, modes=modes)


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ("解方程：2x² + 5x - 3 = 0", "qwen3_32b_reasoning"),
        ("将'你好'翻译成英文", "qwen3_8b"),
        ("分析这张图片中的内容", "qwen2_5_vl_72b"),
        ("详细解释量子计算的原理和应用", "cooperate:parallel"),
    ],
)
def test_the_four_questions_of_the_report_go_where_it_says(query: str, target: str) -> None:
    assert decided(query).target == target


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("Analyse in detail from several perspectives, as well as their impact: carbon neutrality", "parallel"),
        ("详细分析并说明理由：我们应该选择以下哪种战略？", "voting"),
        (
            "Explain in detail, step by step, the principles of quantum error correction and its applications",
            "sequential",
        ),
    ],
)
def test_a_complex_question_goes_to_the_mode_that_it_asks_for(query: str, mode: str) -> None:
    found = decided(query)
    assert (found.kind, found.target, found.strategy) == ("mode", f"cooperate:{mode}", f"cooperate:{mode}")
    assert found.alternatives[0].kind == "model"


def test_without_a_mode_or_a_second_model_one_answers_alone_and_it_is_said() -> None:
    query = "详细解释量子计算的原理和应用"
    without_modes, alone = decided(query, modes=()), decided(query, SEED_MODELS[:1])
    assert without_modes.target == alone.target == "qwen3_32b_reasoning"
    assert "'parallel' is not there" in without_modes.unmet[0]
    assert "only one model" in alone.unmet[0]
    assert without_modes.unmet[0] in without_modes.reasons


def test_an_image_without_a_model_that_sees_is_answered_from_its_text_and_it_is_said() -> None:
    blind = tuple(one for one in SEED_MODELS if not one.sees)
    found = decided("Describe it", blind, has_images=True)
    assert found.task_type == "vision"
    assert "no model here sees images" in found.unmet[0]


def test_only_models_that_see_are_asked_about_images() -> None:
    found = decided("分析这张图片中的内容")
    assert list(found.scores) == ["qwen2_5_vl_72b"]
    assert {one.why_not for one in found.alternatives} == {"it does not see images"}


def test_who_is_out_is_passed_over_and_named_with_the_reason() -> None:
    first, *rest = SEED_MODELS
    found = decided("解方程 2x = 4", (replace(first, out="its circuit breaker is open"), *rest))
    assert found.target != first.name
    assert found.alternatives[-1].why_not == "its circuit breaker is open"


def test_with_nobody_left_the_error_names_why() -> None:
    with pytest.raises(NoModelAvailableError, match="breaker"):
        decided("hi", (replace(SEED_MODELS[0], out="its circuit breaker is open"),))
    with pytest.raises(NoModelAvailableError, match="no model at all"):
        decided("hi", ())


UNSAID = tuple(Candidate(name=f"m-{size}b", parameters=size * 1e9) for size in (1, 7, 32, 70))


def test_quality_asks_the_strongest_and_thrift_the_cheapest() -> None:
    query = "Prove in detail that there are infinitely many primes"
    assert decided(query, UNSAID, (), quality_priority=1.0).target == "m-70b"
    assert decided(query, UNSAID, (), quality_priority=0.0).target == "m-1b"


def test_a_simple_question_goes_to_a_light_model_where_nothing_else_tells_them_apart() -> None:
    assert decided("hello", UNSAID, ()).target == "m-1b"


def test_measured_latency_counts_by_its_weight() -> None:
    quick, slow = (replace(one, latency_s=s) for one, s in zip(UNSAID[2:], (9.0, 0.5), strict=True))
    assert decided("hello", (quick, slow), (), cost=0, latency=1, quality_priority=0.1).target == "m-70b"
    assert decided("hello", (quick, slow), (), cost=1, latency=0, quality_priority=0.1).target == "m-32b"


def test_who_cares_less_for_quality_has_fewer_questions_answered_together() -> None:
    query = "详细解释量子计算的原理"
    assert decided(query).kind == "mode"
    assert decided(query, quality_priority=0.1).kind == "model"


def test_a_group_that_is_for_the_task_wins_over_a_model_as_good() -> None:
    model = Candidate(name="m", tasks=frozenset({"translation"}), parameters=1e9)
    assert decided("翻译：你好", (model, replace(model, name="g", kind="group"))).kind == "group"


@pytest.mark.parametrize("weights", [{"quality_priority": 1.5}, {"cost": -1.0}, {"speed": 1.0}, {"latency": True}])
def test_a_weight_out_of_its_range_is_refused(weights: dict[str, float]) -> None:
    with pytest.raises(InvalidParameterError):
        Preference.of(RULES, **weights)


@given(
    st.lists(
        st.builds(
            Candidate,
            name=st.text(min_size=1, max_size=8),
            parameters=st.none() | st.floats(1, 1e12),
            usd=st.none() | st.floats(0, 10),
            latency_s=st.none() | st.floats(0, 100),
            quality=st.none() | st.floats(0, 1),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda one: one.name,
    ),
    st.text(max_size=60),
    st.floats(0, 1),
)
def test_any_number_of_candidates_gives_a_decision_that_names_all_of_them(
    candidates: list[Candidate], query: str, priority: float
) -> None:
    found = decided(query, tuple(candidates), (), quality_priority=priority)
    assert found.target in {one.name for one in candidates}
    assert all(0 <= score <= 1 + 1e-9 for score in found.scores.values())
    assert found.scores[found.target] == max(found.scores.values())
    assert len(found.alternatives) == min(20, len(candidates) - 1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("qwen3_32b_reasoning", 32e9),
        ("Llama-3.1-8B-Instruct", 8e9),
        ("qwen2_5_7b", 7e9),
        ("SmolLM2-135M", 135e6),
        ("Mixtral-8x7B-v0.1", 56e9),
        ("Phi-3-mini-4k", None),
        ("gpt-4o", None),
        ("Qwen2.5-0.5B", 0.5e9),
    ],
)
def test_a_size_is_read_from_a_name_that_has_one(name: str, parameters: float | None) -> None:
    assert size_in_name(name) == parameters
