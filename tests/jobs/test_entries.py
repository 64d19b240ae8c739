"""Which kinds of job there are, with those that packages add."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.jobs import entries
from multi_llm_comparator.jobs.entries import ENTRIES, entry_of, job_kinds


def test_kinds_of_packages_stand_behind_ours_and_are_looked_up_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looked = []

    def look(**wanted: Any) -> Any:
        looked.append(wanted)
        return entry_points(**wanted)

    monkeypatch.setattr(entries, "entry_points", look)
    # A path that nobody has asked about yet.
    monkeypatch.syspath_prepend(str(tmp_path))
    assert job_kinds() == (*ENTRIES, "trial")
    assert job_kinds() == (*ENTRIES, "trial")
    assert entry_of("trial") == "tests.jobs.trial_jobs:count"
    assert len(looked) == 1
