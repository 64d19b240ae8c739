from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.statistics.multiplicity import holm
from multi_llm_comparator.evaluation.statistics.paired import mcnemar_exact, paired
from multi_llm_comparator.evaluation.statistics.power import items_needed, rounded_up, smallest_difference

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


def test_a_difference_that_is_said_to_be_visible_is_seen_in_four_of_five_runs() -> None:
    n, discordance = 300, 0.2
    difference = smallest_difference(n, discordance)
    assert difference is not None
    draw, seen = random.Random(1), 0
    up, down = (discordance + difference) / 2, (discordance - difference) / 2
    for _ in range(400):
        flips = draw.choices("+-=", (up, down, 1 - discordance), k=n)
        seen += mcnemar_exact(flips.count("+"), flips.count("-")) < 0.05
    assert 0.72 <= seen / 400 <= 0.88


def test_the_rule_of_thumb_of_the_literature_is_met() -> None:
    # 2.8 standard errors; see arXiv 2411.00640.
    for n, discordance in ((1319, 0.15), (300, 0.2)):
        assert smallest_difference(n, discordance) == pytest.approx(2.8 * (discordance / n) ** 0.5, rel=0.03)


def test_a_dozen_items_show_no_difference_of_models_that_mostly_agree() -> None:
    assert smallest_difference(12) is None
    assert smallest_difference(0) is None
    assert smallest_difference(100, 0.0) is None


@given(st.integers(60, 5000), st.floats(0.12, 0.6), st.integers(1, 10))
def test_what_n_items_can_show_needs_n_items(n: int, discordance: float, comparisons: int) -> None:
    visible = smallest_difference(n, discordance, comparisons=comparisons)
    if visible is None:
        return
    spread = (discordance - visible**2) ** 0.5
    needed = items_needed(visible, spread, comparisons=comparisons)
    assert needed is not None and needed <= n + 1
    of_twice = smallest_difference(2 * n, discordance, comparisons=comparisons)
    assert of_twice is not None and of_twice <= visible


def test_the_items_needed_after_a_run_follow_from_what_it_saw() -> None:
    first = [1.0] * 8 + [0.0] * 4 + [1.0] * 60 + [0.0] * 48
    second = [0.0] * 8 + [1.0] * 4 + [1.0] * 60 + [0.0] * 48
    found = paired(first, second)
    assert found.p > 0.05
    # Connor's formula by hand: discordance 0.1, difference 1/30.
    assert items_needed(found.difference, found.spread) == pytest.approx(705, abs=8)
    assert items_needed(0.0, found.spread) is None
    assert items_needed(1e-9, found.spread) is None


def test_a_number_of_items_is_said_to_two_digits() -> None:
    assert [rounded_up(n) for n in (7, 99, 383, 400, 1201)] == [7, 99, 390, 400, 1300]


def test_holm_gives_the_published_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@given(P_VALUES)
def test_holm_keeps_the_order_and_never_makes_a_p_smaller(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(after >= before for after, before in zip(adjusted, p_values, strict=True))
    ordered = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(ordered)
    assert all(p <= 1 for p in adjusted)
