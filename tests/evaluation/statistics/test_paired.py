from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.statistics.paired import mcnemar_exact, paired

BOTH, FIRST, SECOND, NEITHER = (1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)
RIGHT_WRONG = st.lists(st.sampled_from([BOTH, FIRST, SECOND, NEITHER]), min_size=1, max_size=80)


def columns(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in pairs], [b for _, b in pairs]


def unpaired_p(first: list[float], second: list[float]) -> float:
    """What a test says that forgets which items were the same: two shares, each with its own error."""
    n, m = len(first), len(second)
    one, other = sum(first) / n, sum(second) / m
    error = math.sqrt(one * (1 - one) / n + other * (1 - other) / m)
    return 2 * (1 - NormalDist().cdf(abs(one - other) / error))


def test_pairing_shows_a_difference_that_an_unpaired_test_misses() -> None:
    """The example of lm-evaluation-harness#3868: of the same 220 items p is 0.080 unpaired and 0.008 paired.

    It publishes n and both p, no counts: these are the rounder ones of the few that give both.
    """
    first, second = columns([BOTH] * 109 + [FIRST] * 30 + [SECOND] * 12 + [NEITHER] * 69)
    found = paired(first, second)
    assert (found.n, found.method) == (220, "mcnemar")
    assert round(unpaired_p(first, second), 3) == 0.080
    assert round(found.p, 3) == 0.008
    assert (found.first_only, found.second_only) == (30, 12)
    assert found.low > 0


def test_newcombes_interval_gives_the_published_values() -> None:
    # Newcombe 1998, Stat. Med. 17:2635, table III: (e, f, g, h) and method 10.
    for counts, low, high in (
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((20, 12, 2, 16), 0.0562, 0.3292),
    ):
        both, f, g, neither = counts
        first, second = columns([BOTH] * both + [FIRST] * f + [SECOND] * g + [NEITHER] * neither)
        found = paired(first, second)
        assert (found.low, found.high) == pytest.approx((low, high), abs=6e-4), counts


@given(RIGHT_WRONG)
def test_swapping_the_two_mirrors_all_that_is_said(pairs: list[tuple[float, float]]) -> None:
    first, second = columns(pairs)
    one, other = paired(first, second), paired(second, first)
    assert (one.p, one.difference) == (pytest.approx(other.p), pytest.approx(-other.difference))
    assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))
    assert (one.first_only, one.second_only) == (other.second_only, other.first_only)
    assert 0 <= one.p <= 1
    assert one.low - 1e-9 <= one.difference <= one.high + 1e-9


@given(RIGHT_WRONG, st.integers(1, 50))
def test_items_on_which_both_agree_change_no_p(pairs: list[tuple[float, float]], more: int) -> None:
    first, second = columns(pairs)
    alike, unlike = columns([*pairs, *[BOTH] * more, *[NEITHER] * more])
    assert paired(first, second).p == pytest.approx(paired(alike, unlike).p)


def test_the_exact_test_is_a_coins_toss_for_each_flip() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 0) == pytest.approx(2 / 32)
    assert mcnemar_exact(6, 0) == pytest.approx(2 / 64)
    assert mcnemar_exact(3, 3) == 1.0


def test_items_of_one_passage_are_not_counted_as_many() -> None:
    first, second = columns([FIRST] * 12 + [SECOND] * 2 + [BOTH] * 26)
    passages = [i // 4 for i in range(40)]
    alone, together = paired(first, second), paired(first, second, passages)
    assert (alone.method, together.method) == ("mcnemar", "clustered")
    assert together.p > alone.p


def test_scores_between_right_and_wrong_are_compared_by_their_differences() -> None:
    first, second = [0.9, 0.8, 0.7, 0.9, 0.6, 0.8], [0.5, 0.6, 0.5, 0.4, 0.5, 0.6]
    found = paired(first, second)
    assert (found.method, found.first_only, found.second_only) == ("student", 6, 0)
    # A t of 4.339 at 5 degrees of freedom.
    assert found.p == pytest.approx(0.00744, abs=5e-5)
    assert found.low > 0


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5]])
def test_nothing_to_tell_apart_is_said_as_such(values: list[float]) -> None:
    found = paired(values, values)
    assert (found.p, found.difference, found.n) == (1.0, 0.0, len(values))
    with pytest.raises(ValueError, match="zip"):
        paired(values, [*values, 1.0])


def test_95_percent_intervals_of_differences_cover_the_truth_in_93_to_97_percent_of_500_runs() -> None:
    draw = random.Random(3)
    truth, covered, false_alarms = 0.10, 0, 0
    for _ in range(500):
        pairs = draw.choices([BOTH, FIRST, SECOND, NEITHER], (0.45, 0.2, 0.1, 0.25), k=80)
        found = paired(*columns(pairs))
        covered += found.low <= truth <= found.high
        alike = draw.choices([BOTH, FIRST, SECOND, NEITHER], (0.45, 0.15, 0.15, 0.25), k=80)
        false_alarms += paired(*columns(alike)).p < 0.05
    assert 0.93 <= covered / 500 <= 0.97
    assert false_alarms / 500 <= 0.05
