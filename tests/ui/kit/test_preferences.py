from __future__ import annotations

import os

import pytest

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.kit import preferences


def test_preferences_are_kept() -> None:
    preferences.update(language="zh")
    preferences.forget()
    assert preferences.load().language == "zh"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"language": 3, "panes": "x", "colours": null}', '{"other": 1}'])
def test_a_damaged_file_means_defaults(text: str) -> None:
    path = get_settings().home / "preferences.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    assert preferences.load() == preferences.Preferences()


def test_a_file_that_was_changed_is_read_anew() -> None:
    preferences.update(language="zh")
    path = get_settings().home / "preferences.json"
    path.write_text('{"language": "en", "plan": {}}', encoding="utf-8")
    assert preferences.load().language == "en"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_in_the_place_of_the_file_means_defaults() -> None:
    path = get_settings().home / "preferences.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    assert preferences.load() == preferences.Preferences()
