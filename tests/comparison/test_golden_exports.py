"""Exports as the first version made them: they open as before, and the same run makes the same files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.documents import conversation_from
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.importing import import_run
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot, ImportedFrom

GOLDEN = Path(__file__).with_name("golden")
# When a file was exported, which each says of itself, and how a page looks.
NOT_COMPARED = re.compile(r"Exported: \d{4}-\d\d-\d\dT[\d:.]+Z|<style>.*?</style>", re.DOTALL)


@pytest.fixture
def snapshot() -> ComparisonSnapshot:
    run, answers = import_run((GOLDEN / "exported.json").read_bytes())
    origin = ImportedFrom(run_id="first", created_at=1.0, imported_at=2.0)
    read = conversation_from(run, answers).snapshot()
    return replace(read, id="golden", created_at=1_700_000_000.0, imported_from=origin)


@pytest.mark.parametrize(("format", "ending"), [("csv", "csv"), ("markdown", "md"), ("html", "html")])
def test_an_export_of_the_first_version_makes_the_same_files(
    snapshot: ComparisonSnapshot, format: str, ending: str
) -> None:
    expected = (GOLDEN / f"expected.{ending}").read_bytes().decode()
    assert NOT_COMPARED.sub("", export_run(snapshot, format).decode()) == NOT_COMPARED.sub("", expected)


def test_an_export_of_the_first_version_loses_nothing_by_being_read(snapshot: ComparisonSnapshot) -> None:
    before = json.loads((GOLDEN / "exported.json").read_bytes())
    after = json.loads(export_run(snapshot, "json"))
    for document in (before, after):
        del document["exported_at"], document["id"], document["created_at"], document["run"]["imported_from"]
        for answer in document["answers"]:
            del answer["id"]
    assert after == before
