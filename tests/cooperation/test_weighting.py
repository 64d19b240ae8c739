"""Weights from recorded answers."""

from __future__ import annotations

import random

import pytest

from multi_llm_comparator.cooperation.weighting import Record, accuracies, log_odds, weights_from, winner


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
    assert found.scheme != "best"
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


def test_log_odds_grow_with_accuracy_and_are_0_at_chance() -> None:
    assert log_odds(0.25, 1000) == pytest.approx(0.0, abs=0.01)
    assert 0 < log_odds(0.5, 1000) < log_odds(0.9, 1000) < log_odds(0.9, 1000, choices=10)
    assert log_odds(1.0, 3) < log_odds(1.0, 300)


def test_records_of_different_members_are_refused() -> None:
    with pytest.raises(ValueError, match="same members"):
        weights_from([Record(("a",), "a"), Record(("a", "b"), "a")])
