from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner

from multi_llm_comparator import workbench
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.workbench import Workbench
from tests.support.scripted_models import scripted_model
from tests.ui.grouping import regroup

NAMES = ("ash", "birch", "cedar", "dogwood")


@pytest.fixture(scope="session", autouse=True)
def components_are_looked_for_once() -> Iterator[None]:
    """AppTest looks through all installed packages for components of Streamlit's whenever a page is opened."""
    look = functools.cache(manifest_scanner.scan_component_manifests)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(manifest_scanner, "scan_component_manifests", look)
        yield


@pytest.fixture(autouse=True)
def forget_preferences() -> None:
    preferences.forget()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbench]:
    """The real workbench, in a home of its own, with four scripted models that run in real processes and no groups."""
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    opened = workbench.get_workbench()
    assert opened.models.wait_for_scan(60)
    opened.models.available_models = [
        scripted_model(tmp_path, name, otherwise=f"{name} says: it is **391**.") for name in NAMES
    ]
    yield opened
    workbench.close_workbench()


@pytest.fixture
def groups_file(bench: Workbench) -> Path:
    """The workbench's file of task groups, with one group of two models."""
    path = bench.gateway.groups.path
    assert path is not None
    assert regroup(bench, "task_groups: {quick: {e: {models: [ash, birch], max_retries: 0, rpm_limit: 50}}}")
    return path
