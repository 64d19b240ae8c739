"""Weights from recorded answers."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.cooperation.ballot_arrays import NOBODY, Ballots
from multi_llm_comparator.cooperation.weight_search import sure_gain
from multi_llm_comparator.cooperation.weighting import Record, accuracies, log_odds, weights_from, winner

recorded = st.integers(1, 5).flatmap(
    lambda members: st.lists(
        st.tuples(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=members, max_size=members), st.just("a")),
        min_size=1,
        max_size=6,
    )
)


def made(accuracy: list[float], n: int, seed: int = 3, shared: float = 0.0) -> list[Record]:
    """Answers of members that are right so often; with ``shared`` the last ones repeat each other's."""
    draw, records = random.Random(seed), []
    for _ in range(n):
        votes = ["right" if draw.random() < p else f"wrong {draw.randrange(3)}" for p in accuracy]
        if shared:
            votes[1:] = [votes[1] if draw.random() < shared else vote for vote in votes[1:]]
        records.append(Record(tuple(votes), "right"))
    return records


def right(records: list[Record], weights: tuple[float, ...]) -> float:
    return sum(winner(r.votes, weights) == r.right for r in records) / len(records)


def test_independent_members_are_better_together() -> None:
    records, fresh = made([0.7] * 5, 300), made([0.7] * 5, 300, seed=4)
    found = weights_from(records)
    assert found.scheme != "best" and found.right > found.best_right
    assert right(fresh, found.weights) > max(accuracies(fresh)) + 0.05


def test_many_weak_members_that_err_together_do_not_outvote_the_best() -> None:
    accuracy = [0.75] + [0.35] * 9
    records, fresh = made(accuracy, 400, shared=0.8), made(accuracy, 400, seed=4, shared=0.8)
    found = weights_from(records)
    assert right(fresh, (1.0,) * 10) < accuracies(fresh)[0]
    assert right(fresh, found.weights) >= accuracies(fresh)[0] - 0.01


def test_few_records_leave_the_best_member_alone() -> None:
    found = weights_from([Record(("a", "b", "a"), "a"), Record(("a", "a", "b"), "a")])
    assert (found.scheme, found.weights, found.n) == ("best", (1.0, 0.0, 0.0), 2)
    assert weights_from([Record(("b", "a"), "a")]).weights == (0.0, 1.0)


def test_where_nothing_is_gained_for_sure_the_best_member_answers_alone() -> None:
    guessing = weights_from(made([0.8, 0.3, 0.3], 60))
    assert guessing.scheme == "best" and guessing.right == guessing.best_right and guessing.weights == (1.0, 0.0, 0.0)
    alike = weights_from([Record((record.votes[0],) * 3, record.right) for record in made([0.7], 60)])
    assert alike.scheme == "best"


def test_on_questions_that_were_not_seen_votes_are_hardly_ever_below_the_best_member() -> None:
    draw = random.Random(11)
    gains = []
    for seed in range(30):
        accuracy = [draw.uniform(0.35, 0.8) for _ in range(draw.choice((3, 5, 7)))]
        records = made(accuracy, 400, seed=seed, shared=draw.choice((0.0, 0.3, 0.7)))
        known, fresh = records[:200], records[200:]
        best = max(range(len(accuracy)), key=lambda m: accuracies(known)[m])
        gains.append(right(fresh, weights_from(known).weights) - accuracies(fresh)[best])
    assert sum(gain < 0 for gain in gains) <= 2 and min(gains) > -0.03
    assert sum(gain > 0 for gain in gains) >= 8


def test_a_gain_is_sure_only_beyond_twice_its_error() -> None:
    ours, theirs = np.array([True] * 9 + [False]), np.zeros(10, np.bool_)
    assert sure_gain(ours, theirs) == pytest.approx(3.0)
    assert sure_gain(ours[:4], theirs[:4]) == 0.0
    assert sure_gain(theirs, ours) < sure_gain(theirs, theirs) == 0.0


@given(recorded, st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.25]), min_size=5, max_size=5))
def test_votes_as_arrays_come_to_what_counting_them_comes_to(
    rows: list[tuple[list[str | None], str]], weights: list[float]
) -> None:
    records = [Record(tuple(votes), answer) for votes, answer in rows]
    own = tuple(weights[: len(records[0].votes)])
    ballots = Ballots.of(records)
    expected = [winner(record.votes, own) == record.right for record in records]
    assert ballots.hits(np.array(own)).tolist() == expected
    assert ballots.accuracies() == pytest.approx(accuracies(records))
    silent = [winner(record.votes, own) is None for record in records]
    assert (ballots.winners(np.array(own)) == NOBODY).tolist() == silent


def test_log_odds_grow_with_accuracy_and_are_0_at_chance() -> None:
    assert log_odds(0.25, 1000) == pytest.approx(0.0, abs=0.01)
    assert 0 < log_odds(0.5, 1000) < log_odds(0.9, 1000) < log_odds(0.9, 1000, choices=10)
    assert log_odds(1.0, 3) < log_odds(1.0, 300)


def test_records_of_different_members_are_refused() -> None:
    with pytest.raises(ValueError, match="same members"):
        weights_from([Record(("a",), "a"), Record(("a", "b"), "a")])
