from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.statistics.agreement import cohens_kappa

VOTES = st.lists(st.tuples(st.sampled_from("ABt"), st.sampled_from("ABt")), max_size=40)


def test_kappa_gives_the_textbook_value() -> None:
    # 20 both yes, 15 both no, 5 and 10 apart: observed 0.7, by chance 0.5.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohens_kappa(first, second)
    assert (found.kappa, found.n, found.same) == (pytest.approx(0.4), 50, 35)


@given(VOTES)
def test_kappa_is_the_same_both_ways_and_at_most_1(pairs: list[tuple[str, str]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    one, other = cohens_kappa(first, second), cohens_kappa(second, first)
    assert (one.n, one.same) == (other.n, other.same)
    if one.kappa is not None:
        assert one.kappa == pytest.approx(other.kappa)
        assert -1 <= one.kappa <= 1


def test_where_nothing_is_judged_or_all_is_alike_there_is_no_kappa() -> None:
    assert cohens_kappa([], []).kappa is None
    assert cohens_kappa("AAAA", "AAAA").kappa is None
    assert cohens_kappa("ABAB", "ABAB").kappa == 1
