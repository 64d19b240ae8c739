"""A database that the first release wrote, with runs of both kinds in every state, loses nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store

pytestmark = pytest.mark.cold
FOLDER = Path(__file__).parent
EXPECTED = json.loads((FOLDER / "revision_0001.json").read_text(encoding="utf-8"))
STATEMENTS = (FOLDER / "revision_0001.sql").read_text(encoding="utf-8")


@pytest.fixture
def old_url(database_url: str) -> str:
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        connection.executescript(STATEMENTS)
        connection.close()
    else:
        with psycopg.connect(database_url) as postgres:
            for statement in sorted(STATEMENTS.removeprefix("BEGIN TRANSACTION;").split(";\n"), key=_order):
                # Postgres has another word for a number of 53 bits.
                postgres.execute(statement.replace("FLOAT", "DOUBLE PRECISION"))
    return database_url


def _order(statement: str) -> tuple[bool, bool]:
    """Tables first, and what others refer to before them: the dump goes by the alphabet."""
    statement = statement.strip()
    return not statement.startswith("CREATE TABLE"), "answers" in statement[:25]


@pytest.fixture
def store(old_url: str) -> Iterator[Store]:
    opened = Store(old_url)
    yield opened
    opened.close()


def test_every_run_is_there_with_its_text(store: Store) -> None:
    runs = {run.id: run for run in store.list_runs()}
    assert runs.keys() == {expected["id"] for expected in EXPECTED.values()}
    for expected in EXPECTED.values():
        document = store.load_run(expected["id"]).document
        items = store.load_items(expected["id"])
        if "answers" in expected["export"]:
            assert document["panes"] == expected["export"]["run"]["panes"]
            stored = [(item.record["id"], item.attempt, item.position) for item in items]
            assert stored == [(a["id"], a["attempt"], a["turn"]) for a in expected["export"]["answers"]]
        else:
            assert document["question"] == expected["export"]["run"]["question"]
            assert {item.record["step"]["id"] for item in items} == {item.key for item in items}
            assert all(item.attempt == 1 for item in items)


def test_what_was_at_work_is_interrupted_and_models_and_texts_are_found(store: Store) -> None:
    at_work = {EXPECTED[name]["id"] for name in ("comparison_running", "plan_planning", "plan_running")}
    assert {run.id for run in store.list_runs(RunFilter(states=("interrupted",)))} == at_work
    assert store.load_run(EXPECTED["plan_planning"]["id"]).phase == "planning"
    assert {run.id for run in store.list_runs(RunFilter(model="demo-large"))} == {
        EXPECTED[name]["id"] for name in EXPECTED if name.startswith("comparison")
    }
    assert [run.id for run in store.list_runs(RunFilter(text="巴黎"))] == [EXPECTED["comparison_done"]["id"]]
    assert dict(store.all_models())["planner"] == 5
