from __future__ import annotations

import pytest

from multi_llm_comparator.evaluation.measuring.matrix import Narrowing, Show, rows_of
from tests.evaluation.measuring.test_results import taken

MIXED = taken({"a": [1.0, 0.0, 1.0, None], "b": [1.0, 1.0, 0.0, 0.0]})


@pytest.mark.parametrize(
    ("show", "subject", "rows"),
    [
        ("all", "a", [0, 1, 2, 3]),
        ("all_wrong", "a", [1]),
        ("all_wrong", "b", [2, 3]),
        ("all_wrong", "", [3]),
        ("all_right", "", [0]),
        ("all_right", "a", [0, 2]),
        ("failed", "a", [3]),
        ("failed", "b", []),
        ("open", "a", [3]),
        ("open", "b", []),
        ("disagree", "", [1, 2]),
    ],
)
def test_a_number_opens_the_items_behind_it(show: Show, subject: str, rows: list[int]) -> None:
    assert rows_of(MIXED, Narrowing(show=show, subject=subject)) == rows


def test_scores_are_those_of_the_subject_that_is_looked_at() -> None:
    assert rows_of(MIXED, Narrowing(subject="b", lowest=0.9)) == [0, 1]
    assert rows_of(MIXED, Narrowing(lowest=0.4, highest=0.6)) == [1, 2]
