from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.planning_pace import MOST_LOST_TO_ONE, PlanningPace, WrittenPlan
from multi_llm_comparator.plans.timeline import merged

WRITTEN = st.builds(WrittenPlan, st.integers(1, 8_000), st.floats(1e-6, 600), st.floats(0, 1_200))
SPANS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 50)).map(lambda span: (span[0], sum(span))), max_size=8)


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


def test_models_at_work_on_steps_slow_the_planner_down():
    alone = PlanningPace(0.02, 0.01)
    plans = [
        WrittenPlan(n, alone.duration_s(n) + 0.3 * beside, beside) for n in range(50, 600, 50) for beside in (0, 1)
    ]
    pace = PlanningPace.fitted(plans)
    assert pace.lost_beside == pytest.approx(0.3, rel=0.01)
    assert pace.duration_s(200) == pytest.approx(alone.duration_s(200), rel=0.01)
    # Of each second beside one model 0.3 s are lost, and of each beside two 0.6 s.
    assert pace.duration_s(200, [(0.0, 2.0), (1.0, 1.5), (50.0, 60.0)]) == pytest.approx(2.02 + 0.75, rel=0.01)


def test_a_planner_that_was_never_alone_still_has_a_pace_of_its_own():
    pace = PlanningPace.fitted([WrittenPlan(n, 0.01 * n, 0.02 * n) for n in range(50, 600, 50)])
    assert pace.lost_beside <= MOST_LOST_TO_ONE
    assert pace.duration_s(100) > 0


def test_time_is_merged_where_it_overlaps():
    assert merged([(3, 4), (0, 1), (1, 2), (3.5, 5)]) == [(0, 2), (3, 5)]
    assert merged([]) == []


@given(st.lists(WRITTEN, min_size=1, max_size=80), SPANS)
def test_company_never_makes_it_faster(written, beside):
    pace = PlanningPace.fitted(written)
    for tokens in (1, 100, 1_000):
        assert pace.duration_s(tokens, beside) >= pace.duration_s(tokens) * (1 - 1e-9)


@given(st.lists(WRITTEN, min_size=1, max_size=80))
def test_more_tokens_never_take_less_time(written):
    pace = PlanningPace.fitted(written)
    times = [pace.duration_s(tokens) for tokens in (0, 1, 10, 100, 1_000)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] > 0
