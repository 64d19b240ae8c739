from __future__ import annotations

import pytest
from hypothesis import settings as hypothesis_settings

from multi_llm_comparator.core import settings

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis_settings.register_profile("project", deadline=None)
hypothesis_settings.load_profile("project")


@pytest.fixture(autouse=True)
def home_of_its_own(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's own settings, runs or presets."""
    monkeypatch.setenv("MLC_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr(settings, "_current", None)
