"""Keys on the Settings page: kept in the store, named, never shown."""

from __future__ import annotations

from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import opened

SECRET = "sk-a-very-secret-value"


def add(test: AppTest, name: str, key: str) -> AppTest:
    test.text_input(key="settings_key_name").set_value(name)
    test.text_input(key="settings_key_value").set_value(key)
    return next(b for b in test.button if b.label == i18n.translate("en", "keys.save")).click().run()


def texts(test: AppTest) -> str:
    assert not test.exception
    return " ".join(str(element.proto) for element in test.main)


def test_a_key_is_added_and_deleted(bench: Workbench) -> None:
    test = add(opened("settings"), "openai", SECRET)
    assert KeyStore().get("openai").get_secret_value() == SECRET
    assert any(m.value == "store:openai" for m in test.markdown)
    test.button(key="delete_kept_key_openai").click().run()
    assert KeyStore().names() == []


def test_a_kept_key_is_not_shown_to_anyone(bench: Workbench) -> None:
    add(opened("settings"), "openai", SECRET)
    assert SECRET not in texts(opened("settings"))


def test_a_name_that_no_file_could_use_is_refused(bench: Workbench) -> None:
    test = add(opened("settings"), "my key", SECRET)
    assert KeyStore().names() == []
    assert not test.exception
    assert any("my key" in toast.value for toast in test.toast)


def test_a_key_may_be_called_as_anything_on_the_page(bench: Workbench) -> None:
    for name in ("name", "value", "save", "form", "delete_name"):
        KeyStore().set(name, SecretStr(SECRET))
    test = opened("settings")
    assert {m.value for m in test.markdown} >= {"store:name", "store:value", "store:delete_name"}


def test_a_key_without_its_name_is_not_lost_without_a_word(bench: Workbench) -> None:
    test = add(opened("settings"), "", SECRET)
    assert not test.exception
    assert KeyStore().names() == []
    assert plain(i18n.translate("en", "missing.name_and_key")) in [toast.value for toast in test.toast]
