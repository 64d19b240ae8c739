"""The form that a pane's answers are held to: free text, a regular expression, or JSON by a schema."""

from __future__ import annotations

from typing import Literal, get_args

import streamlit as st

from multi_llm_comparator.core.constraints import MAX_CHARACTERS, Constraint
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t

Form = Literal["free", "regex", "json_schema"]
FORMS: tuple[Form, ...] = get_args(Form)
EXAMPLES: dict[Form, str] = {
    "free": "",
    "regex": "(yes|no)",
    "json_schema": '{"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}',
}


def draw_form(constraint: Constraint | None, key: str) -> Constraint | None:
    """The choice and its text. While that is not understood the reader is told why, and what was there stays."""
    before: Form = "free" if constraint is None else ("regex" if constraint.regex is not None else "json_schema")
    form = st.segmented_control(
        t("form.title"),
        FORMS,
        default=before,
        required=True,
        format_func=lambda one: t(f"form.{one}"),
        key=f"{key}_form",
        help=t("form.why"),
    )
    if form == "free":
        return None
    text = st.text_area(
        t(f"form.{form}"),
        _text(constraint, form) or EXAMPLES[form],
        key=f"{key}_form_{form}",
        height=140,
        max_chars=MAX_CHARACTERS,
        help=t(f"form.{form}_why"),
    )
    try:
        return Constraint(regex=text) if form == "regex" else Constraint(json_schema=text)
    except InvalidParameterError as exc:
        st.warning(plain(exc))
        return constraint


def _text(constraint: Constraint | None, form: Form) -> str:
    if constraint is None:
        return ""
    return (constraint.regex if form == "regex" else constraint.json_schema) or ""
