"""Keys: found where they are named, encrypted where they rest, shown nowhere."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import HIDDEN, KeyStore, resolve_key, scrub

SECRET = "sk-abcdef-0123456789"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    monkeypatch.delenv("MLC_MASTER_KEY", raising=False)
    return KeyStore(tmp_path / "keys")


def test_a_stored_key_comes_back_and_rests_encrypted(store: KeyStore, tmp_path: Path) -> None:
    store.set("openai", SecretStr(SECRET))
    assert KeyStore(tmp_path / "keys").get("openai").get_secret_value() == SECRET
    for path in (tmp_path / "keys").iterdir():
        assert SECRET not in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store.delete("openai")
    assert store.names() == []


def test_the_master_key_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_MASTER_KEY", Fernet.generate_key().decode())
    KeyStore(tmp_path).set("a", SecretStr(SECRET))
    assert not (tmp_path / "master.key").exists()
    monkeypatch.setenv("MLC_MASTER_KEY", Fernet.generate_key().decode())
    with pytest.raises(ConfigurationError, match="cannot be opened with this master key"):
        KeyStore(tmp_path).get("a")
    monkeypatch.setenv("MLC_MASTER_KEY", "far too short")
    with pytest.raises(ConfigurationError, match="'MLC_MASTER_KEY' is no Fernet key") as caught:
        KeyStore(tmp_path).get("a")
    assert "far too short" not in str(caught.value)


def test_a_master_key_that_others_can_read_is_refused(store: KeyStore, tmp_path: Path) -> None:
    store.set("a", SecretStr(SECRET))
    (tmp_path / "keys/master.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        store.get("a")


def test_an_unknown_name_lists_the_known_ones(store: KeyStore) -> None:
    store.set("openai", SecretStr(SECRET))
    with pytest.raises(ConfigurationError, match="no key named 'opnai' in the key store; known are openai"):
        store.get("opnai")


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 101])
def test_a_name_that_is_no_name_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(ConfigurationError, match="a key's name"):
        store.set(name, SecretStr(SECRET))


def test_a_reference_names_the_environment_a_dotenv_file_or_the_store(
    store: KeyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"FROM_FILE={SECRET}\nFROM_BOTH=file\n")
    monkeypatch.setenv("FROM_BOTH", "environment")
    store.set("mine", SecretStr("stored"))

    def resolved(reference: str) -> str:
        return resolve_key(reference, dotenv=dotenv, store=store).get_secret_value()

    assert resolved("env:FROM_FILE") == SECRET
    assert resolved("env:FROM_BOTH") == "environment"
    assert resolved("store:mine") == "stored"
    with pytest.raises(ConfigurationError, match="'NOWHERE' is set neither in the environment nor in"):
        resolved("env:NOWHERE")


def test_a_key_does_not_show_when_printed(store: KeyStore) -> None:
    store.set("a", SecretStr(SECRET))
    key = store.get("a")
    assert SECRET not in f"{key} {key!r} {store!r} {vars(store)} {json.dumps([str(key)])}"


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Incorrect API key: my-own-key-42.", f"Incorrect API key: {HIDDEN}."),
        ("key sk-proj-AbCdEf123456 refused", f"key {HIDDEN} refused"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {HIDDEN}"),
        ("an ordinary task-based message", "an ordinary task-based message"),
    ],
)
def test_texts_of_others_are_scrubbed(text: str, clean: str) -> None:
    assert scrub(text, (SecretStr("my-own-key-42"), None)) == clean
