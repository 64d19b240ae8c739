"""``llm-config group``: as on the page Groups, and the file's comments stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from multi_llm_comparator.groups.config_edit import ConfigFile
from tests.support.typed_command import typed

Type = Callable[..., tuple[int, str, str]]
WRITTEN = """# mine
task_groups:
  # the fast ones
  quick:
    e: { models: [new] } # why
  other:
    e: { models: [new] }
    fallback_groups: [quick]
models:
  new: { base_url: "http://127.0.0.1:9/v1" }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    path = ConfigFile().path
    path.parent.mkdir(parents=True)
    path.write_text(WRITTEN, encoding="utf-8")
    return partial(typed, monkeypatch, capfd, tmp_path, program="llm-config")


def test_a_group_is_made_changed_renamed_and_deleted(config: Type) -> None:
    assert config("group", "set", "mine", "-m", "new", "--rpm", "60", "--when-full", "next")[0] == 0
    assert config("group", "level", "mine", "spare", "-m", "new", "--timeout", "30", "--weight", "new=3")[0] == 0
    shown = json.loads(config("group", "show", "mine", "--json")[1])["mine"]
    assert (shown["rpm_limit"], shown["when_full"], shown["level1"]) == (60, "next", {"models": ["new"]})
    assert shown["spare"] == {"models": ["new"], "timeout": 30}
    assert ConfigFile().read()["models"]["new"]["weight"] == 3
    assert config("group", "set", "mine", "--rpm", "0", "--rename", "ours")[0] == 0
    assert "rpm_limit" not in ConfigFile().read()["task_groups"]["ours"]
    assert config("group", "level", "ours", "spare", "--remove")[0] == 0
    listed = json.loads(config("group", "list", "--json")[1])
    assert listed["ours"] == {"level1": ["new"]} and "mine" not in listed
    assert config("group", "delete", "ours")[0] == 0
    text = ConfigFile().text()
    assert "# mine" in text and "# the fast ones" in text and "# why" in text
    assert config("group", "undo")[0] == 0
    assert "ours" in ConfigFile().read()["task_groups"]


def test_who_names_a_renamed_group_or_level_follows(config: Type) -> None:
    assert config("group", "set", "quick", "--rename", "swift")[0] == 0
    assert ConfigFile().read()["task_groups"]["other"]["fallback_groups"] == ["swift"]
    assert config("group", "level", "swift", "e", "--rename", "first")[0] == 0
    assert list(ConfigFile().read()["task_groups"]["swift"]) == ["first"]


def test_a_trial_writes_nothing_and_says_what_would_be(config: Type) -> None:
    before = ConfigFile().text()
    code, out, _ = config("group", "set", "quick", "--description", "for tests", "--dry-run", "--json")
    told = json.loads(out)
    assert (code, told["written"]) == (0, False)
    assert any("for tests" in line for line in told["changes"])
    assert ConfigFile().text() == before


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "none"), "say who is in it"),
        (("show", "quik"), "did you mean 'quick'"),
        (("set", "quick", "-m", "new"), "has levels already"),
        (("level", "quick", "f"), "say who is in it"),
        (("level", "quick", "f", "--remove"), "it has e"),
        (("level", "quick", "e", "--weight", "new"), "MODEL=NUMBER"),
        (("delete", "quick"), "quick"),
        (("set", "quick", "--strategy", "best"), "fallback_strategy"),
        (("undo",), "no change"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(config: Type, words: tuple[str, ...], reason: str) -> None:
    code, out, err = config("group", *words)
    assert (code, out) == (2, "")
    assert reason in " ".join(err.split())
    assert ConfigFile().text() == WRITTEN
