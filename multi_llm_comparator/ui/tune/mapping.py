"""Which columns of a data file say what: for data in none of the known forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from multi_llm_comparator.training.data.spec import ColumnMapping
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision

# What columns are called in data sets that are around, by what they say.
_USER = ("prompt", "question", "instruction", "input", "query", "problem", "user", "ask", "问题", "指令", "提问")
_ASSISTANT = ("answer", "response", "output", "completion", "reply", "solution", "assistant", "target", "回答", "答案")
_SYSTEM = ("system", "系统")
_REJECTED = ("rejected", "worse")
_CONVERSATION = ("messages", "conversation", "conversations", "dialog", "dialogue", "chat", "turns")
MAX_SYSTEM_CHARS = 8000


def guessed(columns: Sequence[str], row: Mapping[str, Any] | None = None) -> ColumnMapping | None:
    """A first mapping by the names of the columns; None where no names are known."""
    turns = _named(columns, _CONVERSATION)
    if turns and isinstance((row or {}).get(turns), list):
        return ColumnMapping(conversation=turns)
    user, assistant = _named(columns, _USER), _named(columns, _ASSISTANT)
    if user is None or assistant is None or user == assistant:
        return None
    return ColumnMapping(
        system=_named(columns, _SYSTEM), user=(user,), assistant=assistant, rejected=_named(columns, _REJECTED)
    )


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column of one of these names, or else one that has one of them in it."""
    lower = {column.casefold(): column for column in reversed(columns)}
    for name in names:
        if name in lower:
            return lower[name]
    return next((lower[c] for name in names for c in lower if name in c and len(name) > 3), None)


def draw_mapping(columns: Sequence[str]) -> None:
    """A picker for each part; what is chosen holds at once."""
    mapping = current_draft().mapping or ColumnMapping()
    left, middle, right = st.columns(3, gap="small")
    with left:
        _draw_users(mapping, columns)
    with middle:
        _draw_column("assistant", mapping.assistant, columns)
    with right:
        _draw_column("system", mapping.system, columns)
    with st.popover(t("tune.more_columns"), icon=":material/tune:", type="tertiary", key="tune_more_columns"):
        _draw_column("rejected", mapping.rejected, columns)
        _draw_column("conversation", mapping.conversation, columns)
        _draw_system_text(mapping)


def _draw_users(mapping: ColumnMapping, columns: Sequence[str]) -> None:
    key = f"tune_map_user_{draft_revision()}"
    st.multiselect(
        t("tune.map_user"),
        list(columns),
        [column for column in mapping.user if column in columns],
        key=key,
        format_func=plain,
        placeholder=t("tune.map_none"),
        help=t("tune.map_user_why"),
        on_change=lambda: _change(user=tuple(st.session_state[key])),
    )


def _draw_column(part: str, value: str | None, columns: Sequence[str]) -> None:
    key = f"tune_map_{part}_{draft_revision()}"
    options = ["", *columns]
    st.selectbox(
        t(f"tune.map_{part}"),
        options,
        options.index(value) if value in options else 0,
        key=key,
        format_func=lambda column: plain(column) if column else t("tune.map_none"),
        help=t(f"tune.map_{part}_why"),
        on_change=lambda: _change(**{part: st.session_state[key] or None}),
    )


def _draw_system_text(mapping: ColumnMapping) -> None:
    key = f"tune_map_system_text_{draft_revision()}"
    st.text_area(
        t("tune.map_system_text"),
        mapping.system_text,
        key=key,
        max_chars=MAX_SYSTEM_CHARS,
        height=76,
        help=t("tune.map_system_text_why"),
        on_change=lambda: _change(system_text=st.session_state[key]),
    )


def _change(**changes: Any) -> None:
    mapping = current_draft().mapping or ColumnMapping()
    change_draft(mapping=mapping.model_copy(update=changes))
