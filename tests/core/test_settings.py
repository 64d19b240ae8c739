from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core import settings
from multi_llm_comparator.core.exceptions import ConfigurationError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("MLC_HOME", str(tmp_path))
    monkeypatch.setattr(settings, "_current", None)
    yield tmp_path
    monkeypatch.setattr(settings, "_current", None)


def test_without_a_file_the_defaults_hold(own_home: Any) -> None:
    current = settings.get_settings()
    assert current.max_tokens_limit == 4096
    assert current.home == own_home
    assert current.resolved_database_url == f"sqlite:///{own_home / 'workbench.db'}"


def test_a_saved_change_is_read_again_and_swaps_the_snapshot(own_home: Any) -> None:
    before = settings.get_settings()
    after = settings.save_settings({"scan_hf_cache": True, "extra_model_dirs": ["/models"]})
    assert after.scan_hf_cache and not before.scan_hf_cache
    assert settings.reload_settings() == after


def test_the_environment_outranks_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    settings.save_settings({"max_tokens_limit": 100})
    monkeypatch.setenv("MLC_MAX_TOKENS_LIMIT", "200")
    assert settings.reload_settings().max_tokens_limit == 200


def test_an_invalid_change_is_refused_and_nothing_is_written(own_home: Any) -> None:
    settings.save_settings({"max_tokens_limit": 100})
    with pytest.raises(ConfigurationError, match="max_tokens_limit"):
        settings.save_settings({"max_tokens_limit": 0})
    assert settings.reload_settings().max_tokens_limit == 100


@pytest.mark.parametrize("content", ["- a list", "unknown_name: 1", "max_tokens_limit: [", "memory_mode: sometimes"])
def test_a_bad_file_is_named_and_the_old_snapshot_stays(own_home: Any, content: str) -> None:
    before = settings.get_settings()
    (own_home / "settings.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"settings\.yaml"):
        settings.reload_settings()
    assert settings.get_settings() is before


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "values by line"),
        ("max_tokens_limit: " + ":".join(["1"] * 30_000), "max_tokens_limit"),
        ("x" * 70_000, "larger than 64 KiB"),
        ("".join(f"unknown{i}: 1\n" for i in range(2_000)), "and 1980 more"),
    ],
)
def test_a_file_made_to_take_long_is_refused_at_once(own_home: Any, content: Any, said: str) -> None:
    (own_home / "settings.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said) as caught:
        settings.load_settings()
    assert len(str(caught.value)) < 4_000


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_in_the_place_of_the_file_is_not_waited_for(own_home: Any) -> None:
    os.mkfifo(own_home / "settings.yaml")
    with pytest.raises(ConfigurationError, match="not a regular file; correct the file, or move it away"):
        settings.load_settings()
