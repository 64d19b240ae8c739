from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from multi_llm_comparator.ui.kit.i18n import translate


def page() -> None:
    import streamlit as st

    from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button

    def add(first: int, second: int) -> None:
        st.session_state["sum"] = first + second

    main_button("tune.start", add, 2, 3, icon="play_arrow", key="adds")
    quiet_button("act.another", icon="casino", key="explained", why=True)
    button("welcome.to_ways", key="named", values={"name": "a *starred* model"})
    button("history.show_more", key="one", values={"n": 1})
    button("history.show_more", key="many", values={"n": 4}, help="More of them", disabled=True)


def shown(draw: Callable[[], None]) -> AppTest:
    test = AppTest.from_function(draw).run()
    assert not test.exception
    return test


def test_a_click_calls_with_the_arguments() -> None:
    test = shown(page)
    assert "sum" not in test.session_state
    assert test.button(key="adds").click().run().session_state["sum"] == 5


def test_a_label_and_its_tooltip_are_words_of_the_locales() -> None:
    explained = shown(page).button(key="explained")
    assert explained.label == translate("en", "act.another")
    assert explained.help == translate("en", "act.another_why")


def test_values_in_a_label_are_shown_as_they_are_and_a_number_chooses_the_singular() -> None:
    test = shown(page)
    assert r"a \*starred\* model" in test.button(key="named").label
    assert test.button(key="one").label == translate("en", "history.show_more_one", n=1)
    many = test.button(key="many")
    assert many.label == translate("en", "history.show_more", n=4)
    assert (many.help, many.disabled) == ("More of them", True)


def opening() -> None:
    import streamlit as st

    from multi_llm_comparator.ui.kit.buttons import opener

    opener("run.more", st.text, "what is in it", icon="more_horiz", key="more")


def test_what_a_click_opens_is_not_drawn_before() -> None:
    assert not shown(opening).text
