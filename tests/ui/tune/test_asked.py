"""Work that the page waits for."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from multi_llm_comparator.workbench import Workbench

PATIENCE_S = 60.0


def page() -> None:
    """Waits for work that ends after its place on the page was drawn, and before the page looks what to wait for."""
    import asyncio
    import threading
    from collections.abc import Callable

    import streamlit as st

    from multi_llm_comparator.ui.tune import asked

    goes_on = st.session_state.setdefault("goes_on", threading.Event())

    async def work(tell: Callable[[str], None]) -> str:
        tell("0 / 25")
        await asyncio.to_thread(goes_on.wait)
        return "25 rows"

    found = asked.asked("cleaned", "these rows", work)
    st.text(found.value or found.told)
    goes_on.set()
    st.session_state["tune_asked"]["cleaned"].future.result()
    asked.watch()


@pytest.mark.usefixtures("bench")
def test_what_came_while_the_rest_of_the_page_was_drawn_is_shown() -> None:
    test = AppTest.from_function(page, default_timeout=PATIENCE_S).run()
    assert not test.exception
    assert [text.value for text in test.text] == ["25 rows"]


def leaves(key: str) -> None:
    """Asks for something, and in its next run for nothing."""
    import asyncio
    from collections.abc import Callable

    import streamlit as st

    from multi_llm_comparator.ui.tune import asked

    async def work(tell: Callable[[str], None]) -> str:
        await asyncio.sleep(3600)
        return ""

    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if st.session_state["runs"] == 1:
        asked.asked("cleaned", key, work)
    asked.watch()


def test_what_is_not_asked_for_any_more_is_not_waited_for(bench: Workbench) -> None:
    test = AppTest.from_function(leaves, kwargs={"key": "rows"}, default_timeout=PATIENCE_S).run()
    test.session_state["tune_asked"]["cleaned"].future.cancel()
    test.run()
    assert not test.exception
    assert test.session_state["runs"] == 2
