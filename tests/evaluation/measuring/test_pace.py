"""How fast an evaluation goes, and how long it will take."""

from __future__ import annotations

import pytest

from multi_llm_comparator.evaluation.measuring import pace
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.pace import Pace
from tests.evaluation.measuring.making import evaluation, prompt_set

ROWS = prompt_set(*((f"{n}?", "1") for n in range(10)))


def test_time_left_follows_from_what_was_done_and_others_are_taken_to_be_as_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 100.0
    monkeypatch.setattr(pace, "monotonic", lambda: clock)
    counted = Pace(evaluation(ROWS, "m", "n"))
    cells = dict[CellKey, Cell]()
    first, other = counted.progress(cells, 10, is_over=False)
    assert (first.state, first.items_per_s, first.left_s, first.total) == ("waiting", None, None, 10)
    counted.began("a")
    for n in range(4):
        clock += 2.0
        cells[CellKey(n, "a")] = Cell(state="failed" if n == 3 else "done")
        counted.finished("a")
    first, other = counted.progress(cells, 10, is_over=False)
    assert (first.state, first.done, first.failed, first.items_per_s, first.left_s) == ("running", 3, 1, 0.5, 12.0)
    # Nobody has asked the other yet.
    assert (other.state, other.items_per_s, other.left_s) == ("waiting", None, 20.0)
    over, _ = counted.progress(cells, 10, is_over=True)
    assert (over.state, over.left_s) == ("waiting", None)


def test_what_earlier_sittings_did_is_done_and_says_nothing_of_this_ones_speed() -> None:
    counted = Pace(evaluation(ROWS, "m"))
    cells = {CellKey(n, "a"): Cell(state="done") for n in range(10)}
    (all_done,) = counted.progress(cells, 10, is_over=False)
    assert (all_done.state, all_done.left_s, all_done.items_per_s, all_done.share) == ("done", 0.0, None, 1.0)
