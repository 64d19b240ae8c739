"""``prompt`` and ``parameters``: what a user keeps to ask with, from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.typed_command import typed

Type = Callable[..., tuple[int, str, str]]


@pytest.fixture
def type_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    return lambda *words: typed(monkeypatch, capfd, tmp_path, *words)


def test_prompts_are_saved_found_shown_and_deleted(type_: Type) -> None:
    assert type_("prompt", "save", "greet", "--text", "Say hello to {{name}}.", "--tag", "short")[0] == 0
    assert type_("prompt", "save", "other", "--text", "Count to ten.")[0] == 0
    assert [one["name"] for one in json.loads(type_("prompt", "list", "hello", "--json")[1])] == ["greet"]
    assert type_("prompt", "show", "greet")[1] == "Say hello to {{name}}.\n"
    code, _, err = type_("prompt", "delete", "gret")
    assert code == 2 and "did you mean 'greet'" in err
    assert type_("prompt", "delete", "greet")[0] == 0
    assert [one["name"] for one in json.loads(type_("prompt", "list", "--json")[1])] == ["other"]


def test_parameters_are_kept_and_carried_to_another_machine(type_: Type, tmp_path: Path) -> None:
    assert type_("parameters", "save", "calm", "temperature=0.2", "max_tokens=64", "--note", "short")[0] == 0
    assert type_("parameters", "save", "wrong", "temperature=9")[0] == 2
    assert type_("parameters", "save", "wrong", "warmth=1")[0] == 2
    file = tmp_path / "all.json"
    assert json.loads(type_("parameters", "export", str(file), "--json")[1])["names"] == ["calm"]
    assert type_("parameters", "delete", "calm")[0] == 0
    assert json.loads(type_("parameters", "import", str(file), "--json")[1]) == {"added": ["calm"]}
    (kept,) = json.loads(type_("parameters", "list", "--json")[1])
    assert kept == {"name": "calm", "parameters": {"temperature": 0.2, "max_tokens": 64}, "note": "short"}
    assert json.loads(type_("parameters", "import", str(file), "--json")[1]) == {"added": []}


def test_a_prompt_set_is_added_to_and_replaced(type_: Type, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "What is 2 + 2?", "expected": "4", "compare": "numeric"}\n', encoding="utf-8")
    made = json.loads(type_("promptset", "import", str(file), "--json")[1])
    added = type_("promptset", "add", "mine", "Name a fish.", "--tag", "animals", "--json")
    assert (added[0], json.loads(added[1])["rows"]) == (0, 2)
    assert type_("promptset", "add", "mine", "Name a fish.", "--compare", "exact")[0] == 2
    replaced = json.loads(type_("promptset", "import", str(file), "--replace", "mine", "--json")[1])
    assert (replaced["id"], replaced["name"], replaced["rows"]) == (made["id"], "mine", 1)
