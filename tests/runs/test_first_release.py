"""Runs of the first release open as they were, whatever the store has become since."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.plans.documents import run_document, step_item
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.as_then import as_then
from tests.support.scripted_source import ScriptedSource
from tests.tracking.test_migrating import EXPECTED, STATEMENTS

# What the first release said of a run that nobody worked on any more, though it never ended.
CALLED_NOW = {"comparison_running": "interrupted", "plan_planning": "interrupted", "plan_running": "interrupted"}


@pytest.fixture
def old_runs(tmp_path: Path) -> Iterator[RunRegistry]:
    connection = sqlite3.connect(tmp_path / "runs.db")
    connection.executescript(STATEMENTS)
    connection.close()
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield RunRegistry(store)
    store.close()


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("comparison")])
async def test_a_comparison_is_exported_as_before(old_runs: RunRegistry, name: str) -> None:
    comparison = await ComparisonRegistry(old_runs, ScriptedSource(), lambda target: None).get(EXPECTED[name]["id"])
    exported = json.loads(export_run(comparison.snapshot(), "json"))
    del exported["exported_at"]
    assert exported == EXPECTED[name]["export"]
    assert comparison.state == CALLED_NOW.get(name, EXPECTED[name]["status"])


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("plan")])
async def test_a_plan_run_says_what_it_said_before(old_runs: RunRegistry, name: str) -> None:
    run = await PlanRegistry(old_runs, ScriptedSource()).get(EXPECTED[name]["id"])
    state = CALLED_NOW.get(name, EXPECTED[name]["status"])
    before = EXPECTED[name]["export"]
    document = run_document(run).model_dump(mode="json")
    expected = {**before["run"], "state": state, "phase": ""}
    assert as_then(document, expected) == expected
    steps = [step_item(run.id, step).record for step in run.steps.values()]
    assert as_then(steps, before["steps"]) == before["steps"]
