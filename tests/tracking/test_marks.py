"""Every test here runs on SQLite and on a real Postgres."""

from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import InvalidParameterError, RunNotFoundError
from multi_llm_comparator.tracking import marks
from multi_llm_comparator.tracking.records import ItemRef, RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.tracking.records import a_run, an_item

ITEM = ItemRef("0/p1")


def test_marks_stay_when_the_run_is_saved_again_and_do_not_count_as_a_change(store: Store) -> None:
    store.save_run(a_run(updated_at=1.0), [an_item()])
    store.marks.rename("r1", "  My   capitals ")
    store.marks.set_note("r1", "worth keeping")
    assert store.marks.set_tags("r1", ["good", " to  show ", "good", ""]) == ("good", "to show")
    store.marks.set_tags("r1", ["wrong"], ITEM)
    store.marks.set_note("r1", "it is Paris", ITEM)
    store.save_run(a_run(updated_at=2.0), [an_item(text="Rome.")], known=1.0)
    run, (item,) = store.load_run("r1"), store.load_items("r1")
    assert (run.title, run.note, run.tags) == ("My capitals", "worth keeping", ("good", "to show"))
    assert (item.text, item.note, item.tags) == ("Rome.", "it is Paris", ("wrong",))
    assert store.list_runs()[0].title == "My capitals"


def test_an_empty_title_gives_back_the_first_one(store: Store) -> None:
    store.save_run(a_run())
    store.marks.rename("r1", "mine")
    store.marks.rename("r1", " ")
    assert store.load_run("r1").title == "Capitals"


@pytest.mark.parametrize("text", ["MY TITLE", "a note", "grün", "on the answer", "Ärger"])
def test_searches_find_what_marks_say(store: Store, text: str) -> None:
    store.save_run(a_run(), [an_item()])
    store.marks.rename("r1", "My title")
    store.marks.set_note("r1", "A note")
    store.marks.set_tags("r1", ["Grün"])
    store.marks.set_note("r1", "on the answer", ITEM)
    store.marks.set_tags("r1", ["ärger"], ITEM)
    store.save_run(a_run(), [an_item()])
    assert store.count_runs(RunFilter(text=text)) == 1
    store.marks.set_note("r1", "")
    assert store.count_runs(RunFilter(text="a note")) == 0


def test_runs_are_found_by_their_tags_and_those_of_their_items(store: Store) -> None:
    for run_id in ("r1", "r2", "r3"):
        store.save_run(a_run(run_id), [an_item(run_id=run_id)])
    store.marks.set_tags("r1", ["good", "new"])
    store.marks.set_tags("r2", ["good", "new"])
    store.marks.set_tags("r2", ["good", "old"])
    store.marks.set_tags("r3", ["good"], ITEM)
    assert store.count_runs(RunFilter(tag="good")) == 3
    assert [run.tags for run in store.list_runs(RunFilter(tag="old"))] == [("good", "old")]
    assert store.marks.all_tags() == [("good", 3), ("new", 1), ("old", 1)]
    store.delete_runs(["r1", "r3"])
    assert store.marks.all_tags() == [("good", 1), ("old", 1)]


def test_bounds_of_marks(store: Store) -> None:
    store.save_run(a_run(), [an_item()])
    with pytest.raises(InvalidParameterError, match="too many"):
        store.marks.set_tags("r1", map(str, range(marks.MAX_TAGS + 1)))
    with pytest.raises(InvalidParameterError, match="too long"):
        store.marks.set_tags("r1", ["x" * (marks.MAX_TAG_CHARS + 1)])
    with pytest.raises(InvalidParameterError, match="at most"):
        store.marks.set_note("r1", "x" * (marks.MAX_NOTE_CHARS + 1))
    store.marks.set_tags("r1", map(str, range(marks.MAX_TAGS)))
    store.marks.rename("r1", "x" * 10_000)
    assert store.load_run("r1").title.endswith("x…")
    store.marks.set_note("r1", "a\x00b\ud800")
    assert store.load_run("r1").note == "a\ufffdb\ufffd"


def test_what_is_not_there_cannot_be_marked(store: Store) -> None:
    store.save_run(a_run(), [an_item()])
    for change in (
        lambda: store.marks.rename("nowhere", "x"),
        lambda: store.marks.set_note("nowhere", "x"),
        lambda: store.marks.set_tags("nowhere", ["x"]),
        lambda: store.marks.set_tags("r1", ["x"], ItemRef("0/p2")),
        lambda: store.marks.set_note("r1", "x", ItemRef("0/p1", attempt=2)),
    ):
        with pytest.raises(RunNotFoundError):
            change()
    assert store.marks.all_tags() == []
