"""Every test here runs on SQLite and on a real Postgres."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import RunConflictError, RunNotFoundError, StoreError
from multi_llm_comparator.tracking import rows
from multi_llm_comparator.tracking import store as store_module
from multi_llm_comparator.tracking.records import Point, RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.tracking.records import a_run, an_item


def test_what_was_saved_is_there_when_the_store_is_opened_again(store: Store, store_url: str) -> None:
    store.save_run(a_run(), [an_item()])
    again = Store(store_url)
    loaded = again.load_run("r1")
    assert loaded == replace(a_run(), search_text="")
    assert again.load_items("r1") == [an_item()]
    again.close()


def test_saving_again_replaces(store: Store) -> None:
    store.save_run(a_run(), [an_item(status="running", text="Pa")])
    store.save_run(a_run(title="Cities", status="failed"), [an_item()])
    assert store.load_run("r1").title == "Cities"
    assert [answer.text for answer in store.load_items("r1")] == ["Paris."]
    assert store.count_runs() == 1


def test_items_come_in_the_order_of_positions_keys_and_attempts(store: Store) -> None:
    places = [(10, "10/a", 1), (2, "2/b", 1), (2, "2/a", 2), (2, "2/a", 1)]
    store.save_run(a_run(), [an_item(key, position=position, attempt=n) for position, key, n in places])
    assert [(item.position, item.key, item.attempt) for item in store.load_items("r1")] == sorted(places)


@pytest.mark.parametrize("run_id", ["nowhere", "", "\x00", "\ud800", "x" * 10_000])
def test_an_unknown_run_is_said_to_be_unknown(store: Store, run_id: str) -> None:
    with pytest.raises(RunNotFoundError, match="is stored"):
        store.load_run(run_id)
    assert store.load_items(run_id) == []
    assert store.delete_runs([run_id]) == 0


def test_an_item_without_its_run_is_refused(store: Store) -> None:
    with pytest.raises(StoreError):
        store.save_items([an_item(run_id="nowhere")])


def test_deleting_takes_the_items_along(store: Store) -> None:
    store.save_run(a_run(), [an_item()])
    assert store.delete_runs(["r1"]) == 1
    assert store.delete_runs(["r1"]) == 0
    assert store.load_items("r1") == []


def test_lists_give_the_newest_first_page_by_page(store: Store) -> None:
    for number in range(7):
        store.save_run(a_run(f"r{number}", created_at=1000.0 + number // 2))
    pages = [[run.id for run in store.list_runs(limit=3, offset=offset)] for offset in (0, 3, 6, 9)]
    assert pages == [["r6", "r5", "r4"], ["r3", "r2", "r1"], ["r0"], []]


def test_lists_are_bounded_whatever_is_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "MAX_LIST", 3)
    for number in range(5):
        store.save_run(a_run(f"r{number}"))
    assert len(store.list_runs(limit=10**9)) == 3
    assert store.list_runs(limit=-1) == []
    assert store.count_runs() == 5


def test_lists_can_be_of_one_kind(store: Store) -> None:
    store.save_run(a_run("c"))
    store.save_run(a_run("p", kind="plan"))
    assert [run.id for run in store.list_runs(RunFilter(kind="plan"))] == ["p"]
    assert (store.count_runs(RunFilter(kind="plan")), store.count_runs()) == (1, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("capitals", True),  # title
        ("DEMO-LARGE", True),  # detail
        ("capital of fr", True),  # prompt
        ("pARIS", True),  # answer
        ("北京", True),
        ("是北", True),
        ("ÄRGER", True),
        ("ärger", True),
        ("strasse", True),  # sharp s folds to ss
        ("ＡＢＣ", True),  # full width
        ("100%", True),
        ("a_b", True),
        ("back\\slash", True),
        ("   ", True),
        ("Rome", False),
        ("%", True),
        ("p%s", False),
        ("capital_of", False),
        ("_", True),
    ],
)
def test_search_finds_text_anywhere_in_a_run(store: Store, text: str, found: bool) -> None:
    answer = "Paris. 答案是北京。 Großer Ärger in der Straße, abc, 100% a_b back\\slash"
    store.save_run(a_run(), [an_item(text=answer)])
    assert [run.id for run in store.list_runs(RunFilter(text=text))] == (["r1"] if found else [])
    assert store.count_runs(RunFilter(text=text)) == int(found)


def test_search_sees_what_an_item_says_now(store: Store) -> None:
    store.save_run(a_run(), [an_item(text="first words")])
    store.save_items([an_item(text="other words")])
    assert store.count_runs(RunFilter(text="other")) == 1
    assert store.count_runs(RunFilter(text="first")) == 0


def test_a_very_long_query_is_cut_rather_than_refused(store: Store) -> None:
    store.save_run(a_run(), [an_item(text="x" * 1000)])
    assert store.count_runs(RunFilter(text="x" * 5000)) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=80), query=st.text(st.characters(), min_size=1, max_size=8))
def test_any_text_can_be_stored_and_searched_for(store: Store, text: str, query: str) -> None:
    store.save_run(a_run(title=text[:20], search_text=text, document={"text": text}), [an_item(text=text)])
    stored = store.load_items("r1")[0].text
    assert len(stored) == len(text)
    assert all(a == b or b == "\ufffd" for a, b in zip(text, stored, strict=True))
    assert store.load_run("r1").document == {"text": text}
    assert store.count_runs(RunFilter(text=query)) in (0, 1)
    if text.strip():
        assert store.count_runs(RunFilter(text=text)) == 1


def test_many_threads_may_write_at_once(store: Store) -> None:
    store.save_run(a_run())

    def write(number: int) -> None:
        store.save_run(a_run(), [an_item(f"p{number}", text="x" * 1000)])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert len(store.load_items("r1")) == 40


@pytest.mark.parametrize("document", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}])
def test_a_document_that_is_no_json_is_refused_before_anything_is_written(
    store: Store, document: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="JSON"):
        store.save_run(a_run(document=document))
    assert store.count_runs() == 0


def test_sizes_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_TEXT_CHARS", 100)
    monkeypatch.setattr(rows, "MAX_DOCUMENT_CHARS", 200)
    with pytest.raises(StoreError, match="at most 100"):
        store.save_run(a_run(), [an_item(text="x" * 101)])
    with pytest.raises(StoreError, match="at most 200"):
        store.save_run(a_run(document={"x": "y" * 300}))
    store.save_run(a_run(title="t" * 10_000))
    assert len(store.load_run("r1").title) == rows.MAX_LINE_CHARS


def test_a_run_that_was_written_by_another_since_is_not_written_over(store: Store) -> None:
    store.save_run(a_run(updated_at=1.0))
    store.save_run(a_run(updated_at=2.0), known=1.0)
    with pytest.raises(RunConflictError, match="changed by another program"):
        store.save_run(a_run(title="mine", updated_at=3.0), [an_item()], known=1.0)
    assert store.load_run("r1").title == "Capitals"
    assert store.load_items("r1") == []
    store.save_run(a_run("new", updated_at=3.0), known=1.0)
    assert store.load_run("new").updated_at == 3.0


def test_filters_combine(store: Store) -> None:
    for number in range(6):
        kind, status = ("plan", "failed") if number % 2 else ("comparison", "done")
        run = a_run(
            f"r{number}", kind=kind, status=status, created_at=float(number), origin="cli" if number > 3 else ""
        )
        store.save_run(replace(run, models=(f"m{number}", "all"), parent_id="r0" if number == 5 else None))

    def found(**filter: Any) -> str:
        runs = store.list_runs(RunFilter(**filter))
        assert store.count_runs(RunFilter(**filter)) == len(runs)
        return "".join(run.id[1] for run in runs)

    assert found(kind="plan") == "531"
    assert found(states=("done",), made_before=4.0) == "20"
    assert found(made_after=2.0, made_before=5.0) == "432"
    assert found(model="m3") == "3"
    assert found(model="all", kind="comparison") == "420"
    assert found(model="al") == ""
    assert found(origin="cli") == "54"
    assert found(origin="") == "3210"
    assert found(parent_id="r0") == "5"
    assert found(tag="none") == ""
    assert store.all_models()[0] == ("all", 6)


def test_several_runs_are_deleted_at_once(store: Store) -> None:
    for number in range(1100):
        store.save_run(a_run(f"r{number}"))
    assert store.delete_runs([f"r{number}" for number in range(1050)] + ["nowhere"]) == 1050
    assert store.count_runs() == 50


def test_curves_are_kept_by_series_and_step(store: Store) -> None:
    store.save_run(a_run())
    store.save_points("r1", [Point(series="loss", step=n, value=1.0 / (n + 1), at=float(n)) for n in range(5)])
    store.save_points(
        "r1", [Point(series="loss", step=4, value=9.0, at=9.0), Point(series="lr", step=0, value=1.0, at=0.0)]
    )
    assert [point.value for point in store.load_points("r1", "loss", from_step=3)] == [0.25, 9.0]
    assert [point.series for point in store.load_points("r1")] == ["loss"] * 5 + ["lr"]
    with pytest.raises(StoreError):
        store.save_points("nowhere", [Point(series="loss", step=0, value=0.0, at=0.0)])
