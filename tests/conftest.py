from __future__ import annotations

import os

import pytest
from hypothesis import settings as hypothesis_settings

from multi_llm_comparator.core import settings

# Workers share the cores. Threads of one that wait for those of another would spin, for minutes where work takes
# seconds; torch reads this when it is imported, also in processes that tests start.
if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(workers))))

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("project", deadline=None)
hypothesis_settings.load_profile("project")


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own settings, runs or presets."""
    monkeypatch.setenv("MLC_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(settings, "_current", None)
