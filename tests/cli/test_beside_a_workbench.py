"""Commands that need a workbench that runs, and those that tell it what they have changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_asking import command, home, served  # noqa: F401 - fixtures
from tests.support.typed_command import typed


@pytest.mark.parametrize(
    "words",
    [
        ("model", "memory"),
        ("model", "load", "tiny"),
        ("model", "unload", "tiny"),
        ("jobs", "move", "one"),
        ("runs", "stop", "one"),
    ],
)
def test_without_one_it_is_said_what_to_start(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    code, out, err = typed(monkeypatch, capfd, tmp_path, *words)
    assert (code, out) == (2, "")
    assert "no workbench is running" in err and "llm-server" in err


@pytest.mark.slow
def test_models_of_a_running_server_are_loaded_kept_and_renamed(home: Path, served: str) -> None:  # noqa: F811
    def told(*words: str) -> Any:
        code, out, err = command(home, *words, "--json")
        assert code == 0, err
        return json.loads(out)

    def named() -> set[str]:
        return {one["name"] for one in told("models")} & {"tiny", "little"}

    assert told("model", "load", "tiny", "--context", "256")["n_ctx"] == 256
    assert told("model", "keep", "tiny", "--pin", "--idle", "5")["idle_unload_s"] == 300
    (held,) = told("model", "memory")
    assert (held["model"], held["kept"]["pinned"]) == ("tiny", True)
    assert told("model", "note", "tiny", "--text", "says two words", "--tag", "small")["tags"] == ["small"]
    assert told("model", "rename", "tiny", "little")["path"].endswith("little.gguf")
    # It was put out of memory first, and is found under its new name, with its note.
    assert told("model", "memory") == []
    assert named() == {"little"}
    shown = told("model", "show", "little")
    assert (shown["note"], shown["tags"]) == ("says two words", ["small"])
    assert shown["memory"]["total_bytes"] > 0
    code, _, err = command(home, "model", "delete", "little")
    assert code == 2 and "--yes" in err
    assert told("model", "delete", "little", "--yes")["freed_bytes"] > 0
    assert named() == set()
