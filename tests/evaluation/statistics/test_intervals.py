from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.statistics.intervals import (
    Interval,
    clustered_error,
    interval,
    student_quantile,
    weighted_interval,
    wilson,
)

RUNS, ITEMS, CLUSTERS = 500, 60, 50


def interval_of(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Interval:
    """The interval of values that are there."""
    found = interval(values, clusters)
    assert found is not None
    return found


def test_wilson_gives_the_published_values() -> None:
    # Newcombe 1998, Stat. Med. 17:857, table I, method 3.
    for successes, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_holds_the_share_and_stays_within_bounds(successes: int, n: int) -> None:
    successes = min(successes, n)
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n + 1e-12
    assert successes / n - 1e-12 <= high <= 1
    mirrored = wilson(n - successes, n)
    assert (low, high) == pytest.approx((1 - mirrored[1], 1 - mirrored[0]))


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=1, max_size=60))
def test_an_interval_holds_its_mean_whatever_the_scores_and_clusters(items: list[tuple[float, int]]) -> None:
    found = interval_of([value for value, _ in items], [cluster for _, cluster in items])
    assert 0 <= found.low <= found.mean + 1e-9
    assert found.mean - 1e-9 <= found.high <= 1
    assert found.n == len(items)


def test_no_items_have_no_interval_and_one_cluster_says_nothing_of_others() -> None:
    assert interval([]) is None
    one = interval_of([1.0, 0.0, 1.0], ["passage"] * 3)
    assert (one.low, one.high) == (0.0, 1.0)


def test_items_that_repeat_each_other_are_no_more_certain_than_one_of_them() -> None:
    alone = interval_of([1.0, 0.0] * 20)
    repeated = interval_of([1.0] * 4 + [0.0] * 4, None)
    copied = interval_of([v for v in (1.0, 0.0) * 20 for _ in range(5)], [i for i in range(40) for _ in range(5)])
    widths = [found.high - found.low for found in (alone, repeated, copied)]
    assert widths[2] == pytest.approx(widths[0], rel=0.05)
    assert widths[1] > widths[0]


def test_the_error_of_clusters_of_one_is_the_usual_one() -> None:
    values = [0.1, 0.5, 0.9, 0.4, 0.4]
    mean = sum(values) / 5
    usual = math.sqrt(sum((v - mean) ** 2 for v in values) / 4 / 5)
    assert clustered_error(values) == pytest.approx(usual)
    assert clustered_error(values, "abcde") == pytest.approx(usual)


@pytest.mark.parametrize("truth", [0.3, 0.5, 0.8])
def test_95_percent_intervals_of_shares_cover_the_truth_in_93_to_97_percent_of_500_runs(truth: float) -> None:
    draw = random.Random(16)
    covered = 0
    for _ in range(RUNS):
        found = interval_of([float(draw.random() < truth) for _ in range(ITEMS)])
        covered += found.low <= truth <= found.high
    assert 0.93 <= covered / RUNS <= 0.97


@pytest.mark.parametrize("is_share", [True, False])
def test_95_percent_intervals_of_clustered_items_cover_the_truth_as_well(is_share: bool) -> None:
    """Four questions on each passage; passages differ in how hard they are."""
    draw = random.Random(7)
    covered = naive = 0
    for _ in range(RUNS):
        hardness = [h for h in (draw.betavariate(2, 2) for _ in range(CLUSTERS)) for _ in range(4)]
        values = [float(draw.random() < h) if is_share else (h + draw.random()) / 2 for h in hardness]
        clusters = [i // 4 for i in range(len(values))]
        found, other = interval_of(values, clusters), interval_of(values)
        covered += found.low <= 0.5 <= found.high
        naive += other.low <= 0.5 <= other.high
    assert 0.93 <= covered / RUNS <= 0.97
    assert naive < covered


def test_a_mean_of_texts_of_one_length_has_the_usual_interval_and_one_text_alone_none() -> None:
    values = [0.1, 0.5, 0.9, 0.4, 0.4]
    found = weighted_interval(values, [7] * 5)
    assert found is not None
    wide = student_quantile(0.95, 4) * clustered_error(values)
    assert found == pytest.approx((0.46 - wide, 0.46 + wide))
    assert weighted_interval([0.3], [9]) is None


def test_95_percent_intervals_of_texts_of_many_lengths_cover_the_truth_as_well() -> None:
    draw, covered = random.Random(11), 0
    for _ in range(RUNS):
        lengths = [draw.randint(10, 60) for _ in range(CLUSTERS)]
        found = weighted_interval([draw.gauss(0.2, 0.1) for _ in lengths], lengths)
        assert found is not None
        covered += found[0] <= 0.2 <= found[1]
    assert 0.93 <= covered / RUNS <= 0.97
