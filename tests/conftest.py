from __future__ import annotations

import pytest

from multi_llm_comparator.core import settings


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's own settings, runs or presets."""
    monkeypatch.setenv("MLC_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(settings, "_current", None)
