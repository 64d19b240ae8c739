"""Votes over recorded answers of real models, where a machine has them: weights from one half, scored on the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cooperation import MOST_CALLS, SMALL, Measured, measure, read
from tests.support.material import real

FILES = [path for folder in real("routing") for path in sorted(folder.glob("*/*.json.gz"))]


def groups(path: Path) -> list[Measured]:
    recorded = read(path)
    small = SMALL.get(recorded.name, ())
    return [measure(recorded, members) for members in (small, sorted(recorded.answers)) if members]


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="the recorded answers are not on this machine")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_weighted_vote_is_at_least_the_best_member_and_stopping_early_keeps_it(path: Path) -> None:
    for found in groups(path):
        assert found.weighted >= found.best
        assert found.stopped == found.weighted
        assert found.calls <= MOST_CALLS * found.members
