"""Before a service works: which one, on what, asked of whom."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.applications.reading.formats import FORMATS, PICTURES
from multi_llm_comparator.applications.spec import KINDS, MAX_QUESTION_CHARS, SERVICES
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.ui.kit.buttons import button, main_button
from multi_llm_comparator.ui.kit.choices import listed
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.welcome import draw_hero
from multi_llm_comparator.ui.services.state import (
    SETUP,
    Setup,
    asked_target,
    start,
    start_example,
    target_choices,
)

MAX_PASTED_CHARS = 1_000_000
NOBODY = ""


def draw_setup() -> None:
    """What the page is for, an example of each service that works at once, and the form."""
    draw_hero(t("services.welcome"), t("services.welcome_text"))
    with st.container(horizontal=True, horizontal_alignment="center", key="services_examples"):
        for service in SERVICES:
            button(
                f"services.example_{service}", start_example, service, icon="bolt", key=f"services_example_{service}"
            )
    setup = SETUP.current()
    with st.container(border=True, key="services_setup"):
        _draw_what(setup)
        _draw_document(setup)
        _draw_whom(setup)
    is_empty = not setup.text.strip() and st.session_state.get(SETUP.key("file")) is None
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        main_button(
            "services.start",
            start,
            SETUP.key("file"),
            icon="play_arrow",
            key="services_start",
            disabled=is_empty,
            shortcut="Alt+Enter",
        )
        if is_empty:
            st.caption(t("missing.document"))


def _draw_what(setup: Setup) -> None:
    st.segmented_control(
        t("services.service"),
        SERVICES,
        default=setup.service,
        required=True,
        format_func=lambda one: t(f"services.{one}"),
        label_visibility="collapsed",
        **SETUP.bind("service"),
    )
    kinds = KINDS[setup.service]
    st.pills(
        t("services.kind"),
        kinds,
        default=setup.kind,
        required=True,
        format_func=lambda one: t(f"services.kind_{one}"),
        label_visibility="collapsed",
        # Each service has kinds of its own.
        **SETUP.bind("kind", f"{SETUP.key('kind')}_{setup.service}"),
    )
    st.caption(t(f"services.why_{setup.service}"))
    if setup.kind == "questions":
        SETUP.line("question", "services.question", max_chars=MAX_QUESTION_CHARS)


def _draw_document(setup: Setup) -> None:
    paste, upload = st.tabs([t("services.paste"), t("services.upload")])
    with paste:
        st.text_area(
            t("services.text"),
            setup.text,
            height=160,
            max_chars=MAX_PASTED_CHARS,
            placeholder=t(f"services.placeholder_{setup.service}"),
            label_visibility="collapsed",
            **SETUP.bind("text"),
        )
    with upload:
        st.file_uploader(
            t("services.file"),
            type=sorted([*FORMATS, *PICTURES]),
            key=SETUP.key("file"),
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
            format_func=lambda one: choices[one].label if one in choices else t("services.nobody"),
            help=t("services.model_why"),
            **SETUP.bind("target"),
        )
        with st.popover(t("services.more"), icon=":material/tune:", type="tertiary", key="services_more"):
            languages = ["", "en", "zh"]
            SETUP.choice("language", "services.language", languages, lambda one: t(f"services.language_{one or 'own'}"))
            SETUP.number("answer_tokens", 32, min(8192, setup.context_tokens // 2))
            SETUP.number("context_tokens", max(512, 2 * setup.answer_tokens), 1_000_000)
