"""An id in the address and in the session: who is believed when a busy browser still sends what the page has left."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from multi_llm_comparator.ui.kit.addressed import AddressedId

    shown = AddressedId("run", "shown")
    st.button("to b", on_click=shown.keep, args=("b",))
    st.button("to none", on_click=shown.keep, args=(None,))
    st.button("ask a", on_click=shown.ask, args=("a",))
    found = shown.read()
    if found:
        shown.keep(found)
    st.text(str(found))


@pytest.fixture(name="test")
def opened() -> AppTest:
    test = AppTest.from_function(page)
    test.query_params["run"] = "a"
    return test.run()


def shown(test: AppTest) -> str:
    assert not test.exception
    return test.text[0].value


def press(test: AppTest, label: str) -> AppTest:
    return next(button for button in test.button if button.label == label).click().run()


def test_an_address_is_followed(test: Any) -> None:
    assert shown(test) == "a"
    test.query_params["run"] = "b"
    assert shown(test.run()) == "b"


@pytest.mark.parametrize(("label", "expected"), [("to b", "b"), ("to none", "None")])
def test_an_address_that_was_left_a_moment_ago_does_not_come_back(test: Any, label: str, expected: str) -> None:
    press(test, label)
    test.query_params["run"] = "a"
    assert shown(test.run()) == expected
    assert test.query_params.get("run") in (expected, [expected], None)


def test_an_address_that_was_left_long_ago_is_followed_again(test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    press(test, "to none")
    monkeypatch.setattr("multi_llm_comparator.ui.kit.addressed._HEARD_WITHIN_S", 0.0)
    test.query_params["run"] = "a"
    assert shown(test.run()) == "a"


def test_what_was_left_can_be_asked_for_again(test: Any) -> None:
    press(test, "to b")
    assert shown(press(test, "ask a")) == "a"


def test_without_an_address_the_session_remembers(test: Any) -> None:
    del test.query_params["run"]
    assert shown(test.run()) == "a"
