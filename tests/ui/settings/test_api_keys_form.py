"""Keys of the API on the Settings page: made, shown once, revoked."""

from __future__ import annotations

from multi_llm_comparator.ui.kit import i18n
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.workbench import Workbench
from tests.ui.test_pages import opened


def test_a_key_is_made_shown_once_and_revoked(bench: Workbench) -> None:
    test = opened("settings")
    test.text_input(key="settings_api_key_name").set_value("laptop of [Ann](x)")
    test.number_input(key="settings_api_key_rpm").set_value(30)
    test = next(b for b in test.button if b.label == i18n.translate("en", "api_keys.make")).click().run()
    assert not test.exception
    (key,) = bench.store.api_keys.list()
    assert (key.name, key.limits.rpm, key.scopes) == ("laptop of [Ann](x)", 30, frozenset({"models"}))
    secret = test.code[0].value
    assert bench.store.api_keys.verify(secret) == key
    test.button(key="settings_api_key_copied").click().run()
    assert secret not in " ".join(str(element.proto) for element in test.main)
    assert secret not in " ".join(str(element.proto) for element in opened("settings").main)
    test.button(key=f"end_api_key_{key.id}").click().run()
    assert bench.store.api_keys.list()[0].state == "revoked"
    test.button(key=f"end_api_key_{key.id}").click().run()
    assert bench.store.api_keys.list() == []


def test_a_key_without_a_name_is_not_made_and_that_is_said(bench: Workbench) -> None:
    test = opened("settings")
    test = next(b for b in test.button if b.label == i18n.translate("en", "api_keys.make")).click().run()
    assert not test.exception
    assert bench.store.api_keys.list() == []
    assert plain(i18n.translate("en", "missing.name")) in [toast.value for toast in test.toast]
