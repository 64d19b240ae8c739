from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.planning_pace import PlanningPace, WrittenPlan

WRITTEN = st.builds(WrittenPlan, st.integers(1, 8_000), st.floats(1e-6, 600))


def test_each_token_takes_longer_the_more_there_are_before_it():
    true = PlanningPace(0.02, 0.001, 0.000_002)
    pace = PlanningPace.fitted([WrittenPlan(n, true.duration_s(n)) for n in range(50, 600, 50)])
    for tokens in (1, 75, 800):
        assert pace.duration_s(tokens) == pytest.approx(true.duration_s(tokens), rel=0.01)


def test_a_few_plans_tell_the_mean_speed():
    pace = PlanningPace.fitted([WrittenPlan(100, 1.0), WrittenPlan(200, 2.0)])
    assert pace.duration_s(50) == pytest.approx(0.5)


def test_how_fast_the_machine_is_now_the_latest_plans_tell():
    plans = [WrittenPlan(n, 0.01 * n) for n in range(50, 600, 50)]
    slower = [WrittenPlan(n, 0.012 * n) for n in range(50, 600, 50)]
    assert PlanningPace.fitted([*plans, *slower]).duration_s(100) == pytest.approx(1.2, rel=0.03)


@given(st.lists(WRITTEN, min_size=1, max_size=80))
def test_more_tokens_never_take_less_time(written):
    pace = PlanningPace.fitted(written)
    times = [pace.duration_s(tokens) for tokens in (0, 1, 10, 100, 1_000)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] > 0
