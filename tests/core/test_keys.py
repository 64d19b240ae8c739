"""Keys: found where they are named, encrypted where they rest, shown nowhere."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import (
    HIDDEN,
    KeyMask,
    KeyStore,
    hide_keys,
    mask_keys,
    remember_key,
    resolve_key,
    scrub,
)

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


def test_a_dotenv_file_is_bounded_and_does_not_multiply_what_is_in_it(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    doubled = "".join(f"K{n}=${{K{n - 1}}}${{K{n - 1}}}\n" for n in range(1, 200))
    dotenv.write_text(f"K0=12345678\n{doubled}")
    assert resolve_key("env:K199", dotenv=dotenv).get_secret_value() == "${K198}${K198}"
    dotenv.write_text(f"FROM_FILE={SECRET}\n" + "#" * (1 << 20))
    with pytest.raises(ConfigurationError, match=r"\.env' cannot be read for 'FROM_FILE': .*larger than"):
        resolve_key("env:FROM_FILE", dotenv=dotenv)


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
    remember_key(SecretStr("my-own-key-42"))
    assert scrub(text) == clean


LONG = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"


def test_a_key_is_known_from_when_it_is_first_used(store: KeyStore) -> None:
    store.set("mine", SecretStr("an-odd-key-9876"))
    assert mask_keys("an-odd-key-9876") == "an-odd-key-9876"
    resolve_key("store:mine", store=store)
    assert mask_keys("so: an-odd-key-9876!") == f"so: {HIDDEN}!"


def test_what_is_left_of_a_key_that_was_cut_off_does_not_show() -> None:
    remember_key(SecretStr(LONG))
    assert mask_keys(f"{LONG[:20]}... and {LONG[:12]}") == f"{HIDDEN}... and {HIDDEN}"
    assert mask_keys("sk-proj-0 is short") == "sk-proj-0 is short"


def test_a_megabyte_of_beginnings_is_masked_as_fast_as_it_came() -> None:
    remember_key(SecretStr(LONG))
    assert mask_keys(LONG[:12] * 100_000) == HIDDEN * 100_000


def test_a_key_as_long_as_a_token_of_a_thousand_characters_is_masked_in_all_its_lengths() -> None:
    key = "eyJ" + "abcdefghij" * 120
    remember_key(SecretStr(key))
    for size in (12, 13, 63, 64, 65, 500, len(key)):
        assert mask_keys(f"a {key[:size]} b") == f"a {HIDDEN} b"


def test_answers_may_speak_of_what_looks_like_a_key() -> None:
    text = "call hf_hub_download, or sk-learn-contrib"
    assert mask_keys(text) == text


def test_a_short_key_is_a_word_in_answers_but_not_in_errors() -> None:
    remember_key(SecretStr("none7"))
    assert mask_keys("none7 of them") == "none7 of them"
    assert scrub("wrong key none7") == f"wrong key {HIDDEN}"


@given(st.text("sk-proj-0123456789 x", max_size=40), st.text("sk-proj-0123456789 x", max_size=40), st.data())
def test_a_key_is_masked_wherever_the_stream_cuts_it(before: str, after: str, data: st.DataObject) -> None:
    remember_key(SecretStr(LONG))
    text = before + LONG + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    mask = KeyMask()
    edges = zip([0, *cuts], [*cuts, len(text)], strict=True)
    shown = "".join([mask.push(text[a:b]) for a, b in edges if b > a]) + mask.flush()
    assert LONG[:12] not in shown
    assert HIDDEN in shown
    assert shown == mask_keys(text)


def test_a_text_without_keys_is_not_changed_by_its_pieces() -> None:
    remember_key(SecretStr(LONG))
    mask = KeyMask()
    assert "".join(map(mask.push, "sk-pro sk-pro")) + mask.flush() == "sk-pro sk-pro"


def test_the_log_shows_no_key_not_even_in_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    remember_key(SecretStr(LONG))
    caplog.handler.addFilter(hide_keys)
    try:
        try:
            raise ValueError(f"refused {LONG}")
        except ValueError:
            logging.getLogger("x").exception("asked with %s", LONG)
    finally:
        caplog.handler.removeFilter(hide_keys)
    assert LONG not in caplog.text
    assert f"refused {HIDDEN}" in caplog.text
    assert f"asked with {HIDDEN}" in caplog.text
