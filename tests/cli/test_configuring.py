"""``llm-config`` as a person types it: endpoints, models, keys, the whole as a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.core.settings import get_settings, reload_settings
from multi_llm_comparator.core.signed_tokens import read_token
from multi_llm_comparator.groups.config_edit import ConfigFile
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import UsageRecord
from tests.support.typed_command import typed

Type = Callable[..., tuple[int, str, str]]
COMMENTED = """# mine
gateway: { queue_size: 10 }
models:
  # the old one
  old:
    base_url: http://127.0.0.1:9/v1
    tags: [a,
      b]
  # | another, commented out
  new: { base_url: "http://127.0.0.1:9/v1" } # why
# groups follow
task_groups:
  quick: { e: { models: [new] } }
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Type:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    return partial(typed, monkeypatch, capfd, tmp_path, program="llm-config")


def test_the_commands_work_as_they_are_documented(config: Type) -> None:
    assert config("preset", "--name", "aigcbest", "--api-key", "my-secret-key-1")[0] == 0
    words = ("--name", "custom_model", "--path", "provider/model", "--tasks", "reasoning", "math")
    assert config("add-model", *words)[0] == 0
    code, out, _ = config("list", "--json")
    told = json.loads(out)
    assert (code, told["keys"], told["preset"]["name"]) == (0, ["aigcbest"], "aigcbest")
    assert told["models"]["custom_model"] == {
        "provider": "aigcbest",
        "base_url": "https://api2.aigcbest.top/v1",
        "model": "provider/model",
        "key": "store:aigcbest",
        "tags": ["reasoning", "math"],
    }
    assert "custom_model" in config("list")[1]
    assert KeyStore().get("aigcbest").get_secret_value() == "my-secret-key-1"
    assert config("add-model", *words)[0] == 2
    assert config("remove-model", "--name", "custom_model")[0] == 0
    assert config("add-model", *words)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("preset", "--name", "nowhere"), "there are aigcbest"),
        (("preset", "--name", "x", "--base-url", "ftp://x"), "base_url"),
        (("add-model", "--name", "m", "--path", "p"), "which endpoint"),
        (("remove-model", "--name", "m"), "no model 'm'"),
        (("key", "revoke", "mlc-00000000"), "there is no key"),
        (("key", "add", "--name", "x", "--scope", "all"), "scopes"),
        (("import", "nowhere.json"), "nowhere.json"),
        (("no-such-command",), "no-such-command"),
    ],
)
def test_wrong_use_is_one_message(config: Type, words: tuple[str, ...], said: str) -> None:
    code, out, err = config(*words)
    assert code in (1, 2) and out == ""
    assert said in err and "Traceback" not in err


def test_a_key_is_printed_once_and_can_be_revoked(config: Type, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = config("key", "add", "--name", "laptop", "--scope", "models", "--days", "7", "--rpm", "5")
    secret = out.strip()
    assert code == 0 and "not shown again" in err
    store = Store(get_settings().resolved_database_url)
    key = store.api_keys.verify(secret)
    assert key is not None and (key.limits.rpm, key.expires_at is None) == (5, False)
    monkeypatch.setenv("MLC_JWT_SECRET", "s" * 40)
    reload_settings()
    token = read_token("s" * 40, config("key", "token", key.prefix, "--minutes", "5")[1].strip())
    assert token is not None and (token.subject, token.scopes) == (key.prefix, frozenset({"models"}))
    assert config("key", "token", key.prefix, "--scope", "admin")[0] == 2
    assert secret not in config("key", "list")[1]
    asked = UsageRecord(
        at=now(), caller=key.id, model="m", path="/query", status=200, prompt_tokens=7, micro_usd=1500, latency_s=2.0
    )
    store.usage.add([asked])
    shown = config("key", "usage")[1]
    assert "laptop" in shown and "0.0015" in shown
    (told,) = json.loads(config("key", "usage", "--hours", "1", "--json")[1])
    assert (told["caller"], told["requests"], told["prompt_tokens"], told["p50_s"]) == (key.id, 1, 7, 2.0)
    assert config("key", "revoke", key.prefix)[0] == 0
    assert json.loads(config("key", "list", "--json")[1])[0]["state"] == "revoked"
    assert config("key", "delete", key.id)[0] == 0
    assert store.api_keys.list() == []
    store.close()


def test_endpoints_are_tried_and_the_exit_code_says_whether_all_answer(config: Type) -> None:
    config("preset", "--name", "nobody", "--base-url", "http://127.0.0.1:9/v1", "--api-key", "my-secret-key-1")
    config("add-model", "--name", "far", "--path", "p")
    for words in (("test", "--json"), ("test", "--model", "far", "--json")):
        code, out, err = config(*words)
        (told,) = json.loads(out)
        assert (code, told["model"], told["answers"]) == (1, "far", False), err
        assert told["error"] and "my-secret-key-1" not in out + err


def test_the_whole_goes_out_and_comes_in_without_secrets(config: Type, tmp_path: Path) -> None:
    config("preset", "--name", "openai", "--api-key", "my-secret-key-1")
    config("add-model", "--name", "far", "--path", "gpt")
    assert config("export", "my_config.json")[0] == 0
    text = (tmp_path / "my_config.json").read_text()
    assert "my-secret-key-1" not in text and json.loads(text)["task_groups"]["models"]["far"]["model"] == "gpt"
    config("remove-model", "--name", "far")
    code, out, _ = config("import", "my_config.json", "--json")
    assert code == 0 and "before-import" in json.loads(out)["before"]
    assert "far" in json.loads(config("list", "--json")[1])["models"]
    data = json.loads(text)
    for wrong in ({"settings": {"access_token": "x" * 20}}, {"settings": {"usage_days": 0}}, {"task_groups": {"x": 1}}):
        (tmp_path / "wrong.json").write_text(json.dumps({**data, **wrong}))
        assert config("import", "wrong.json")[0] == 2
    assert "far" in json.loads(config("list", "--json")[1])["models"]


def test_comments_and_form_of_the_file_stay(tmp_path: Path) -> None:
    path = tmp_path / "groups.yaml"
    path.write_text(COMMENTED)
    file = ConfigFile(path)
    file.add_model("far: 'x'", {"base_url": "http://127.0.0.1:9/v1"})
    added = "  \"far: 'x'\": {base_url: http://127.0.0.1:9/v1}\n"
    assert path.read_text().replace(added, "") == COMMENTED
    file.remove_model("far: 'x'")
    assert path.read_text() == COMMENTED
    file.remove_model("old")
    gone = "  old:\n    base_url: http://127.0.0.1:9/v1\n    tags: [a,\n      b]\n"
    assert path.read_text() == COMMENTED.replace(gone, "")


@pytest.mark.parametrize("text", ["{models: {a: {}}}\n", "models: {a: &one {}, c: *one}\n"])
def test_what_stands_on_one_line_is_left_to_an_editor(tmp_path: Path, text: str) -> None:
    path = tmp_path / "groups.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="editor"):
        ConfigFile(path).add_model("b", {})
    with pytest.raises(ConfigurationError, match="editor"):
        ConfigFile(path).remove_model("a")
    assert path.read_text() == text


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20), unique=True, max_size=4)
)
def test_whatever_a_model_is_called_it_is_added_and_removed(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    file = ConfigFile(tmp_path_factory.mktemp("edit") / "groups.yaml")
    for name in names:
        file.add_model(name, {"tags": ["x"]})
    assert set(file.read().get("models") or {}) == set(names)
    for name in names:
        file.remove_model(name)
    assert not file.read().get("models")
