"""A row as the model will read it, its tokens coloured by whether they are learnt."""

from __future__ import annotations

import json
from html import escape

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.ui.kit.actions import refusal
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.markdown import bounded
from multi_llm_comparator.ui.tune.data_work import Inspected, previewed
from multi_llm_comparator.ui.tune.pieces import tokens_html
from multi_llm_comparator.ui.tune.state import draft_revision

MAX_ROW_CHARS = 4000
MAX_ROW = 100_000
# Rows of which one looks at a few: each is read from the beginning of its file.
PREVIEW_TOKENS = 4096


def draw_preview(spec: DataSpec, base: ModelInfo, found: Inspected) -> None:
    """One row, chosen by its number."""
    with st.container(key="tune_preview"):
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        with right:
            key = f"tune_preview_row_{draft_revision()}"
            number = int(st.number_input(t("tune.preview_row"), 1, MAX_ROW, 1, key=key))
        with left:
            st.html(f'<div class="mlc-label">{escape(t("tune.preview", n=f"{number:,}"))}</div>')
        shown = previewed(spec, number, base.path, PREVIEW_TOKENS)
        if shown.error is not None:
            st.html(problem(t("tune.preview_title"), refusal(shown.error)))
        elif shown.value is None:
            st.html(f'<div class="mlc-waiting">{escape(t("tune.preview_waits"))}</div>')
        else:
            for row in shown.value.rows:
                st.html(tokens_html(row))
            for why in shown.value.problems:
                st.html(problem(t("tune.preview_title"), why))
        if found.first_row is not None and number == 1:
            with st.expander(t("tune.raw_row"), key="tune_raw_row"):
                text = json.dumps(found.first_row, ensure_ascii=False, indent=1, default=str)
                st.code(bounded(text, MAX_ROW_CHARS), language="json", wrap_lines=True)
