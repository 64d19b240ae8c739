from __future__ import annotations

import os

import pytest

from multi_llm_comparator.core.telemetry import SWITCHED_OFF, switch_off_telemetry


def test_what_libraries_would_report_is_off_for_this_process_and_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SWITCHED_OFF:
        monkeypatch.setenv(name, "set by the user's shell")
    switch_off_telemetry()
    assert {name: os.environ[name] for name in SWITCHED_OFF} == SWITCHED_OFF
