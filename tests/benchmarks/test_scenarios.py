"""The table of kinds of work says what was taken."""

from __future__ import annotations

from benchmarks.scenarios import HEADING, SIMPLE, Kind, rows_of
from multi_llm_comparator.core.exceptions import InferenceError


async def answers() -> bool:
    return True


async def fails() -> bool:
    raise InferenceError("its process died")


async def test_a_row_has_time_beside_a_simple_question_rate_and_share_that_was_answered() -> None:
    simple = Kind("a", answers, taken_s=[1.0, 1.0, 3.0], rounds_s=[2.0], asked=4)
    document = Kind("b", answers, taken_s=[4.0], rounds_s=[8.0], asked=4)
    rows = rows_of({SIMPLE: simple, "a document analysed": document})
    assert [len(row) for row in rows] == [len(HEADING)] * 2
    assert rows[0] == [SIMPLE, "a", "1 s", "1 x", "1.5", "75%"]
    assert rows[1] == ["a document analysed", "b", "4 s", "4 x", "0.125", "25%"]


async def test_what_fails_is_asked_and_not_answered() -> None:
    kind = Kind("a", fails)
    await kind.round()
    assert (kind.asked, kind.taken_s, len(kind.rounds_s)) == (4, [], 1)
    assert rows_of({"dead": kind})[0][2:4] == ["", ""]
