"""``llm-config secret`` and ``settings``: what the Settings page changes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.core.settings import get_settings, reload_settings, settings_path
from tests.support.typed_command import typed

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    return partial(typed, monkeypatch, capfd, tmp_path, program="llm-config")


def test_a_key_goes_in_by_a_pipe_and_never_comes_out(config: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("my-secret-key-9\n"))
    code, out, err = config("secret", "set", "lab", "--json")
    assert (code, json.loads(out)) == (0, {"name": "lab", "reference": "store:lab"})
    assert KeyStore().get("lab").get_secret_value() == "my-secret-key-9"
    listed = config("secret", "list", "--json")
    assert json.loads(listed[1]) == ["lab"]
    assert "my-secret-key-9" not in out + err + listed[1] + listed[2]
    assert config("secret", "delete", "lap")[0] == 2
    assert config("secret", "delete", "lab")[0] == 0 and KeyStore().names() == []


def test_settings_are_listed_changed_and_taken_back(config: Type) -> None:
    code, out, _ = config("settings", "set", "max_memory_gb=3.5", "extra_model_dirs=[/a, /b]", "--json")
    told = json.loads(out)
    assert code == 0 and told["settings"] == {"max_memory_gb": 3.5, "extra_model_dirs": ["/a", "/b"]}
    assert told["taken_over"] is False
    assert reload_settings().max_memory_gb == 3.5
    changed = json.loads(config("settings", "list", "--changed", "--json")[1])
    assert changed["max_memory_gb"] == 3.5 and "usage_days" not in changed
    assert config("settings", "unset", "max_memory_gb")[0] == 0
    assert reload_settings().max_memory_gb is None and len(get_settings().extra_model_dirs) == 2


def test_a_secret_among_the_settings_is_hidden(config: Type) -> None:
    secret = "k" * 40
    code, out, err = config("settings", "set", f"jwt_secret={secret}", "--json")
    assert (code, json.loads(out)["settings"]) == (0, {"jwt_secret": "(set)"})
    assert secret not in out + err + "".join(map(str, config("settings", "list")))


def test_what_the_environment_says_outranks_the_file(config: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_USAGE_DAYS", "7")
    code, out, err = config("settings", "set", "usage_days=30", "--json")
    assert (code, json.loads(out)["outranked"]) == (0, ["usage_days"])
    assert "outranks" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("set", "max_memory_gb=-1"), "max_memory_gb"),
        (("set", "max_memory=1"), "did you mean"),
        (("set", "max_memory_gb"), "NAME=VALUE"),
        (("unset", "nothing"), "no setting"),
    ],
)
def test_a_wrong_one_is_said_and_nothing_is_written(config: Type, words: tuple[str, ...], reason: str) -> None:
    code, out, err = config("settings", *words)
    assert (code, out) == (2, "") and reason in " ".join(err.split())
    assert not settings_path().exists()
