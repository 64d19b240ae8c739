"""The order of fallback, decided without any model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    KeyRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)
from multi_llm_comparator.groups.config import GatewaySettings
from multi_llm_comparator.groups.config_loader import parse_config
from multi_llm_comparator.groups.fallback_plan import FallbackPlan
from multi_llm_comparator.groups.targets import Route, Targets

REMOTE = {"base_url": "http://127.0.0.1:1/v1"}
ERRORS = [
    ProviderUnavailableError("x"),
    RateLimitedError("x", retry_after_s=1),
    RateLimitedError("x", retry_after_s=1000),
    KeyRefusedError("x"),
    InferenceError("x"),
    ContextOverflowError("x"),
    RequestRefusedError("x"),
]


def route(
    strategy: str, target: str = "g.e1", fallbacks: tuple[str, ...] = (), own_fallbacks: tuple[str, ...] = ()
) -> Route:
    config = parse_config(
        {
            "models": {
                "a1": {**REMOTE, "provider": "A"},
                "a2": {**REMOTE, "provider": "A"},
                "b1": {**REMOTE, "provider": "B"},
                "a3": {**REMOTE, "provider": "A"},
                "b2": {**REMOTE, "provider": "B", "context_length": 9000},
            },
            "task_groups": {
                "g": {
                    "e1": {"models": ["a1", "a2", "b1"], "max_retries": 0},
                    "e2": {"models": ["a3", "b2"], "max_retries": 0, "priority": 2},
                    "fallback_strategy": strategy,
                    "fallback_groups": list(own_fallbacks),
                },
                "h": {"e1": {"models": ["c"]}},
            },
        }
    )
    return Targets(config).route(target, fallbacks)


def plan_of(route: Route, out: frozenset[str] = frozenset(), max_attempts: int = 50) -> FallbackPlan:
    return FallbackPlan(
        route,
        lambda stage, candidates: list(candidates),
        lambda model: "out" if model in out else None,
        settings=GatewaySettings(max_attempts=max_attempts),
    )


def walk(plan: FallbackPlan, error: InferenceError) -> list[str]:
    """The models that are tried when everything fails with ``error``."""
    tried = []
    while choices := plan.choices():
        tried.append(choices.candidates[0].model)
        plan.attempts += 1
        if plan.after(choices.candidates[0], error).kind == "give_up":
            break
    return tried


DOWN = ProviderUnavailableError("down")


def test_model_rotate_stays_in_the_echelon() -> None:
    assert walk(plan_of(route("model_rotate")), DOWN) == ["a1", "a2", "b1"]


def test_echelon_down_goes_through_the_echelons_below() -> None:
    assert walk(plan_of(route("echelon_down")), DOWN) == ["a1", "a2", "b1", "a3", "b2"]
    assert walk(plan_of(route("echelon_down", "g.e2")), DOWN) == ["a3", "b2"]


def test_provider_failover_asks_each_failing_provider_once() -> None:
    assert walk(plan_of(route("provider_failover")), DOWN) == ["a1", "b1"]


def test_provider_failover_stays_with_a_provider_whose_model_alone_is_broken() -> None:
    assert walk(plan_of(route("provider_failover")), InferenceError("x")) == ["a1", "a2", "b1", "a3", "b2"]


def test_group_switch_goes_to_the_groups_own_fallback_groups() -> None:
    assert walk(plan_of(route("group_switch", own_fallbacks=("h",))), DOWN) == ["a1", "a2", "b1", "c", "c"]


@pytest.mark.parametrize("strategy", ["model_rotate", "echelon_down", "provider_failover"])
def test_a_groups_own_fallback_groups_come_after_its_models_and_before_the_callers(strategy: str) -> None:
    alone = walk(plan_of(route(strategy)), DOWN)
    assert walk(plan_of(route(strategy, own_fallbacks=("h",))), DOWN) == [*alone, "c", "c"]
    both = route(strategy, fallbacks=("d",), own_fallbacks=("h",))
    assert walk(plan_of(both), DOWN) == [*alone, "c", "c", "d", "d"]


def test_the_callers_fallback_groups_come_last_in_their_order() -> None:
    assert walk(plan_of(route("model_rotate", fallbacks=("h", "g.e2"))), DOWN) == [
        "a1",
        "a2",
        "b1",
        "c",
        "c",
        "a3",
        "b2",
    ]


def test_an_overflow_goes_only_where_more_fits() -> None:
    assert walk(plan_of(route("model_rotate")), ContextOverflowError("x")) == ["a1", "b2"]


def test_a_retry_must_fit_into_the_time_and_leave_some_for_whoever_else_there_is() -> None:
    alone, accompanied = route("model_rotate", "h.e1"), route("model_rotate", "h.e1", ("g.e2",))
    for where, left_s, spent_s, kind in (
        (alone, 10.0, 20.0, "retry"),
        (accompanied, 30.0, 20.0, "retry"),
        (accompanied, 10.0, 20.0, "fall_back"),
        (accompanied, 0.0, 20.0, "give_up"),
    ):
        plan = plan_of(where)
        candidate = where.stages[0].candidates[0]
        assert plan.after(candidate, DOWN, left_s=left_s, spent_s=spent_s).kind == kind
    slow_down = RateLimitedError("x", retry_after_s=8)
    candidate = accompanied.stages[0].candidates[0]
    assert plan_of(accompanied).after(candidate, slow_down, left_s=5.0).kind == "fall_back"


@given(
    st.lists(st.sampled_from(ERRORS), min_size=1, max_size=40),
    st.sampled_from(["model_rotate", "echelon_down", "provider_failover", "group_switch"]),
    st.frozensets(st.sampled_from(["a1", "a2", "a3", "b1", "b2", "c"]), max_size=4),
    st.integers(1, 8),
)
def test_whatever_fails_the_walk_ends_and_obeys_the_rules(
    errors: list[InferenceError], strategy: str, out: frozenset[str], max_attempts: int
) -> None:
    plan = plan_of(route(strategy, fallbacks=("h",)), out, max_attempts)
    order = [c.model for stage in route(strategy, fallbacks=("h",)).stages for c in stage.candidates]
    tried: list[str] = []
    overflowed = False
    for error in errors:
        choices = plan.choices()
        if choices is None:
            break
        model = choices.candidates[0].model
        assert model not in out
        tried.append(model)
        plan.attempts += 1
        decision = plan.after(choices.candidates[0], error)
        overflowed = overflowed or isinstance(error, ContextOverflowError)
        if decision.kind == "give_up":
            break
        assert not isinstance(error, RequestRefusedError)
        assert (decision.kind == "retry") == (plan.choices() is not None and plan.choices().rule == "retry")  # type: ignore[union-attr]
    assert len(tried) <= max_attempts
    if not overflowed:
        places = [order.index(model) for model in tried]
        assert places == sorted(places), "fallback goes forward only"
    for model in set(tried):
        assert tried.count(model) <= (2 if model == "c" else 1), "more retries than the echelon allows"
