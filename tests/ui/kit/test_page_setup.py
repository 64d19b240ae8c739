"""What a page is set up with, from one visit to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.ui.kit.page_setup import restored


@dataclass(frozen=True)
class Kept:
    name: str = "usual"
    models: tuple[str, ...] = ("one",)
    repeats: int = 1
    is_loud: bool = False


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(st.dictionaries(st.sampled_from(["name", "models", "repeats", "is_loud", "gone"]) | st.text(), ANYTHING))
def test_whatever_was_kept_only_what_is_of_the_right_type_is_taken(kept: dict[str, Any]) -> None:
    found = asdict(restored(Kept(), kept))
    for name, usual in asdict(Kept()).items():
        value = kept.get(name)
        given_value = tuple(value) if isinstance(value, list) else value
        assert found[name] == (given_value if type(given_value) is type(usual) else usual)


def page() -> None:
    from dataclasses import dataclass, replace

    import streamlit

    from multi_llm_comparator.ui.kit.page_setup import PageSetup

    @dataclass(frozen=True)
    class Setup:
        place: str = "here"
        colours: tuple[str, ...] = ()
        size: int = 3

    def follow(setup: Setup, changed: frozenset[str]) -> Setup:
        return replace(setup, size=1) if "place" in changed else setup

    setup = PageSetup("tests", Setup, follow=follow)
    streamlit.text_input("place", setup.current().place, **setup.bind("place"))
    streamlit.multiselect("colours", ["red", "blue"], list(setup.current().colours), **setup.bind("colours"))
    streamlit.button("larger", key="larger", on_click=lambda: setup.revise(size=9))
    streamlit.caption(repr(setup.current()))


def test_widgets_change_the_setup_and_are_made_anew_when_it_is_changed_otherwise() -> None:
    test = AppTest.from_function(page, default_timeout=30).run()
    test.multiselect(key="tests_setup_colours_0").set_value(["blue"]).run()
    assert "colours=('blue',), size=3" in test.caption[0].value
    test.text_input(key="tests_setup_place_0").input("there").run()
    assert "place='there', colours=('blue',), size=1" in test.caption[0].value
    assert test.text_input(key="tests_setup_place_1").value == "there"
    test.button(key="larger").click().run()
    assert "size=9" in test.caption[0].value
    assert test.multiselect[0].value == ["blue"] and not test.exception
