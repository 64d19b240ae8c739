"""Counting: the winner, ties, and when the rest cannot change it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.cooperation.votes import (
    Vote,
    chance_of_leader,
    fewest_that_decide,
    is_decided,
    tally,
)

weights = st.integers(0, 12).map(lambda n: n / 4)
votes = st.lists(st.tuples(st.sampled_from("abcd"), weights), max_size=7).map(
    lambda found: [Vote(str(n), choice, weight) for n, (choice, weight) in enumerate(found)]
)


def test_the_heaviest_choice_wins_and_void_votes_are_named() -> None:
    found = tally([Vote("1", "a"), Vote("2", "b", 2.5), Vote("3", "a"), Vote("4", None, 9)])
    assert (found.winner, found.tied, found.void) == ("b", (), ("4",))
    assert [(s.choice, s.weight, s.voters) for s in found.standings] == [("b", 2.5, ("2",)), ("a", 2.0, ("1", "3"))]
    assert found.share == pytest.approx(2.5 / 4.5)


def test_a_tie_is_named_and_the_choice_of_the_heaviest_voter_stands() -> None:
    found = tally([Vote("1", "a", 1), Vote("2", "a", 2), Vote("3", "b", 3)])
    assert (found.winner, set(found.tied)) == ("b", {"a", "b"})
    assert tally([]).winner is None


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        tally([Vote("1", "a", weight)])


@given(votes)
def test_the_count_does_not_depend_on_the_order(cast: list[Vote]) -> None:
    found, other = tally(cast), tally(random.Random(1).sample(cast, len(cast)))
    assert set(found.tied) == set(other.tied)
    if not found.tied:
        assert found.winner == other.winner


@given(votes, st.lists(st.tuples(st.sampled_from("abcdz"), weights), max_size=5))
def test_what_is_decided_no_vote_changes(cast: list[Vote], later: list[tuple[str, float]]) -> None:
    if tally(cast).winner is None or not is_decided(cast, [weight for _, weight in later]):
        return
    after = tally([*cast, *(Vote(f"later {n}", c, w) for n, (c, w) in enumerate(later))])
    assert after.winner == tally(cast).winner
    assert any(w > 0 for _, w in later) is False or after.tied == ()


@given(votes, st.lists(weights, max_size=5))
def test_what_is_not_decided_some_votes_change_or_tie(cast: list[Vote], later: list[float]) -> None:
    if is_decided(cast, later):
        return
    found = tally(cast)
    second = found.standings[1].choice if len(found.standings) > 1 else "z"
    after = tally([*cast, *(Vote(f"later {n}", second, w) for n, w in enumerate(later))])
    assert found.winner is None or after.winner != found.winner or after.tied


@given(votes, st.lists(weights.filter(bool), max_size=5))
def test_no_fewer_votes_can_decide(cast: list[Vote], later: list[float]) -> None:
    needed = fewest_that_decide(cast, later)
    leader = tally(cast).winner or "?"
    for asked in range(needed):
        supposed = [*cast, *(Vote(f"next {n}", leader, w) for n, w in enumerate(later[:asked]))]
        assert not is_decided(supposed, later[asked:])


def test_more_agreement_makes_the_leader_surer() -> None:
    chances = [chance_of_leader([Vote(str(n), "a") for n in range(count)]) for count in (1, 2, 4, 8)]
    assert chances == sorted(chances)
    assert chances[-1] > 0.99
    assert chance_of_leader([Vote("1", "a"), Vote("2", "b")]) == pytest.approx(0.5)
