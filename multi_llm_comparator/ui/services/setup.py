"""Before a service works: which one, on what, asked of whom."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.applications.reading.formats import FORMATS
from multi_llm_comparator.applications.spec import KINDS, MAX_QUESTION_CHARS, SERVICES
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.ui.kit.choices import listed
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.services.state import (
    Setup,
    asked_target,
    change_setup,
    current_setup,
    setup_revision,
    start,
    start_example,
    target_choices,
)

MAX_PASTED_CHARS = 1_000_000
NOBODY = ""


def draw_setup() -> None:
    """What the page is for, an example of each service that works at once, and the form."""
    title, text = t("services.welcome"), t("services.welcome_text")
    st.html(f'<div class="mlc-hero"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>')
    with st.container(horizontal=True, horizontal_alignment="center", key="services_examples"):
        for service in SERVICES:
            st.button(
                t(f"services.example_{service}"),
                icon=":material/bolt:",
                key=f"services_example_{service}",
                on_click=start_example,
                args=(service,),
            )
    setup = current_setup()
    with st.container(border=True, key="services_setup"):
        _draw_what(setup)
        _draw_document(setup)
        _draw_whom(setup)
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(
            t("services.start"),
            icon=":material/play_arrow:",
            type="primary",
            key="services_start",
            on_click=start,
            args=(_key("file"),),
            disabled=not setup.text.strip() and st.session_state.get(_key("file")) is None,
            shortcut="Alt+Enter",
        )


def _draw_what(setup: Setup) -> None:
    st.segmented_control(
        t("services.service"),
        SERVICES,
        default=setup.service,
        required=True,
        format_func=lambda one: t(f"services.{one}"),
        key=_key("service"),
        label_visibility="collapsed",
        on_change=_changed,
        args=("service",),
    )
    kinds = KINDS[setup.service]
    st.pills(
        t("services.kind"),
        kinds,
        default=setup.kind,
        required=True,
        format_func=lambda one: t(f"services.kind_{one}"),
        # Each service has kinds of its own.
        key=f"{_key('kind')}_{setup.service}",
        label_visibility="collapsed",
        on_change=_changed_kind,
        args=(f"{_key('kind')}_{setup.service}",),
    )
    st.caption(t(f"services.why_{setup.service}"))
    if setup.kind == "questions":
        st.text_input(
            t("services.question"),
            setup.question,
            key=_key("question"),
            max_chars=MAX_QUESTION_CHARS,
            on_change=_changed,
            args=("question",),
        )


def _draw_document(setup: Setup) -> None:
    paste, upload = st.tabs([t("services.paste"), t("services.upload")])
    with paste:
        st.text_area(
            t("services.text"),
            setup.text,
            key=_key("text"),
            height=160,
            max_chars=MAX_PASTED_CHARS,
            placeholder=t(f"services.placeholder_{setup.service}"),
            label_visibility="collapsed",
            on_change=_changed,
            args=("text",),
        )
    with upload:
        st.file_uploader(
            t("services.file"),
            type=sorted(FORMATS),
            key=_key("file"),
            max_upload_size=MAX_UPLOAD_BYTES >> 20,
            help=t("services.file_why"),
        )


def _draw_whom(setup: Setup) -> None:
    choices = target_choices()
    target = asked_target(setup)
    options = [NOBODY, *listed(choices, target)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            t("services.model"),
            options,
            options.index(target) if target in options else 0,
            key=_key("target"),
            format_func=lambda one: choices[one].label if one in choices else t("services.nobody"),
            help=t("services.model_why"),
            on_change=_changed,
            args=("target",),
        )
        with st.popover(t("services.more"), icon=":material/tune:", type="tertiary", key="services_more"):
            languages = ["", "en", "zh"]
            st.selectbox(
                t("services.language"),
                languages,
                languages.index(setup.language),
                key=_key("language"),
                format_func=lambda one: t(f"services.language_{one or 'own'}"),
                on_change=_changed,
                args=("language",),
            )
            _number("answer_tokens", setup.answer_tokens, 32, min(8192, setup.context_tokens // 2))
            _number("context_tokens", setup.context_tokens, max(512, 2 * setup.answer_tokens), 1_000_000)


def _number(name: str, value: int, lowest: int, highest: int) -> None:
    st.number_input(
        t(f"services.{name}"),
        lowest,
        highest,
        min(max(value, lowest), highest),
        key=_key(name),
        help=t(f"services.{name}_why"),
        on_change=_changed,
        args=(name,),
    )


def _key(name: str) -> str:
    """Widgets are made anew when their values were changed otherwise than through them."""
    return f"services_setup_{name}_{setup_revision()}"


def _changed(name: str) -> None:
    value: Any = st.session_state[_key(name)]
    change_setup(**{name: value})


def _changed_kind(key: str) -> None:
    change_setup(kind=st.session_state[key])
