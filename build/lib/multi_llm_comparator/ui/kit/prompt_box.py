"""The box pinned below a page: what is written there is sent before the page is drawn, or stays in the box."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import warn
from multi_llm_comparator.ui.kit.i18n import t


def prompt_box(key: str, placeholder: str, send: Callable[[str], bool], *, disabled: bool) -> None:
    """Draw the box.

    Args:
        key: the box's place in the session.
        placeholder: what stands in it while it is empty.
        send: takes what was written, before the page is drawn, so that it is drawn once and with what that began; False
            when it was refused, and the reader told why: then the text is put back.
        disabled: whether nothing can be written.
    """
    unsent = f"{key}_unsent"
    if (text := st.session_state.pop(unsent, None)) is not None:
        st.session_state[key] = text

    def submit() -> None:
        text: str = st.session_state[key]
        if len(text) > MAX_PROMPT_CHARS:
            warn(t("composer.too_long", count=say.count(len(text)), limit=say.count(MAX_PROMPT_CHARS)))
            st.session_state[unsent] = text
        elif not send(text):
            st.session_state[unsent] = text

    # No bound in the browser: there, whatever is pasted beyond one vanishes without a word.
    st.chat_input(placeholder, key=key, disabled=disabled, on_submit=submit)
