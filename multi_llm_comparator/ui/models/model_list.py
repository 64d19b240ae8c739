"""The models that were found: one row each, sorted and filtered, with what is wrong where something is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.model_notes import ModelNote
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import type_name
from multi_llm_comparator.ui.kit.html_pieces import dot, empty, note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES, UNKNOWN, model_tone
from multi_llm_comparator.ui.models.convert import draw_convert_button
from multi_llm_comparator.ui.models.details import ask_for_details
from multi_llm_comparator.workbench import get_workbench

PAGE_SIZE = 40
MAX_CHIPS = 4
_COLUMNS = ("name", "kind", "architecture", "parameters", "quantization", "context", "template", "size")


def _with_base(model: ModelInfo) -> tuple[str, str, bool, str]:
    """Adapters come right behind their base, whatever the list is sorted by."""
    base = model.loaded_as
    return base.name.casefold(), base.id, model.base is not None, model.name.casefold()


SORTS: dict[str, Callable[[ModelInfo], tuple[bool, object]]] = {
    "name": lambda model: (not model.is_loadable, _with_base(model)),
    "size": lambda model: (not model.is_loadable, (-model.loaded_as.size, _with_base(model))),
    "parameters": lambda model: (
        not model.is_loadable,
        (-(model.loaded_as.config.get("parameters") or 0), _with_base(model)),
    ),
}


def matching(
    models: Sequence[ModelInfo], text: str, sort: str, notes: Mapping[str, ModelNote] | None = None
) -> list[ModelInfo]:
    """The models whose name, kind, architecture, quantization, source, path, note or tags contain every word of
    ``text``."""
    words = text.casefold().split()
    known = notes or {}
    found = [model for model in models if all(word in _searched(model, known) for word in words)]
    return sorted(found, key=SORTS[sort])


def _searched(model: ModelInfo, notes: Mapping[str, ModelNote]) -> str:
    known = model.config
    fields = (known.get("architecture"), known.get("quantization"), known.get("source"), type_name(model.model_type))
    note = notes.get(model.id, ModelNote())
    words = [model.name, model.path, *(str(field) for field in fields if field), *note.tags, note.note]
    return " ".join(words).casefold()


def draw_models(models: Sequence[ModelInfo], text: str, notes: Mapping[str, ModelNote]) -> None:
    """A page of rows; further ones at the press of a button."""
    if not models and get_workbench().models.is_scanning:
        return
    if not models:
        st.html(
            empty(t("models.no_match"), t("models.no_match_text", text=text))
            if text
            else empty(t("models.empty"), t("models.empty_text"))
        )
        return
    st.html(_header())
    shown = st.session_state.get("models_shown", PAGE_SIZE)
    for model in models[:shown]:
        _draw_row(model, notes.get(model.id, ModelNote()))
    if len(models) > shown and quiet_button("models.show_more", key="models_more", values={"n": len(models) - shown}):
        st.session_state["models_shown"] = shown + PAGE_SIZE
        st.rerun()


def _draw_row(model: ModelInfo, note: ModelNote) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", key=f"model_row_{model.id}", wrap=False, gap="small"
    ):
        st.html(_row(model, note), width="stretch")
        draw_convert_button(model)
        quiet_button("models.details", ask_for_details, model.id, key=f"models_details_{model.id}")


def _header() -> str:
    cells = "".join(f'<span class="mlc-c-{name}">{escape(t(f"models.column_{name}"))}</span>' for name in _COLUMNS)
    return f'<div class="mlc-table mlc-table-head">{cells}</div>'


def _row(model: ModelInfo, note: ModelNote) -> str:
    known = model.config
    template = known.get("chat_template")
    cells = {
        "kind": type_name(model.model_type),
        "architecture": str(known.get("architecture") or say.NOTHING),
        "parameters": say.parameters(known.get("parameters")),
        "quantization": str(known.get("quantization") or say.NOTHING),
        "context": say.context(known.get("context_length")),
        "template": say.NOTHING if template is None else t("models.yes" if template else "models.no"),
        "size": say.size(model.size),
    }
    tone = model_tone(model.id) if model.is_loadable else UNKNOWN
    row = "mlc-table" if model.is_loadable else "mlc-table mlc-off"
    rest = "".join(
        f'<span class="mlc-c-{name}" title="{escape(text)}">{escape(text)}</span>' for name, text in cells.items()
    )
    source = str(known.get("source") or "")
    problem = (
        note_chip(t("models.adapter"), t("models.adapter_of", base=model.base.name), UNKNOWN) if model.base else ""
    )
    if known.get("sees_images"):
        problem += note_chip(t("images.sees"), t("images.sees_why"), STATE_TONES["done"])
    if model.problem:
        problem += note_chip(t("models.not_loadable"), model.problem, STATE_TONES["failed"])
    elif known.get("warnings"):
        problem += note_chip(t("models.warning"), " ".join(known["warnings"]), STATE_TONES["loading"])
    problem += "".join(note_chip(tag, note.note, UNKNOWN) for tag in note.tags[:MAX_CHIPS])
    name = escape(model.name)
    return (
        f'<div class="{row}"><span class="mlc-c-name" title="{escape(model.path)}">'
        f"{dot(tone)}<b>{name}</b> {problem}<i>{escape(source)}</i></span>{rest}</div>"
    )
