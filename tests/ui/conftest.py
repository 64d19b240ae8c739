from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.ui import preferences, workbench
from multi_llm_comparator.ui.workbench import Workbench
from tests.support.scripted_models import scripted_model

NAMES = ("ash", "birch", "cedar", "dogwood")


@pytest.fixture(autouse=True)
def forget_preferences():
    preferences.forget()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The real workbench, in a home of its own, with four scripted models that run in real processes."""
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    opened = workbench.get_workbench()
    opened.models.available_models = [
        scripted_model(tmp_path, name, otherwise=f"{name} says: it is **391**.") for name in NAMES
    ]
    yield opened
    workbench.close_workbench()
