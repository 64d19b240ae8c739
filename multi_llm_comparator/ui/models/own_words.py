"""A model's note and tags, its name and its end: what a user changes about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.model_files import (
    MAX_NAME_CHARS,
    delete_model,
    id_at,
    places_of,
    rename_model,
    roots_of,
)
from multi_llm_comparator.services.model_notes import MAX_NOTE_CHARS, MAX_TAGS, ModelNote, ModelNotes
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.workbench import get_workbench, scan_again


def model_notes() -> ModelNotes:
    return ModelNotes.in_home(get_workbench().settings.home)


def roots() -> list[Path]:
    """The folders whose models are the user's to change here."""
    return roots_of(get_workbench().settings)


def draw_note(model: ModelInfo) -> None:
    """A note and tags, kept at the press of a button."""
    notes = model_notes()
    kept = attempt(lambda: notes.of(model.id)) or ModelNote()
    with st.form(f"models_note_form_{model.id}", border=False):
        note = st.text_area(
            t("models.note"),
            kept.note,
            max_chars=MAX_NOTE_CHARS,
            height=80,
            key=f"models_note_{model.id}",
            placeholder=t("models.note_example"),
        )
        tags = st.multiselect(
            t("models.tags"),
            sorted({*kept.tags, *_known_tags(notes)}),
            list(kept.tags),
            accept_new_options=True,
            max_selections=MAX_TAGS,
            key=f"models_tags_{model.id}",
            placeholder=t("models.tags_example"),
        )
        if st.form_submit_button(t("models.note_keep"), key=f"models_note_keep_{model.id}"):
            attempt(lambda: notes.keep(model.id, note, tags))
            st.rerun()


def _known_tags(notes: ModelNotes) -> set[str]:
    return {tag for one in (attempt(notes.all) or {}).values() for tag in one.tags}


def draw_files(model: ModelInfo) -> None:
    """Rename and delete, where the files are the workbench's to change; else why not."""
    with st.expander(t("models.files"), icon=":material/folder:", key=f"models_files_{model.id}"):
        name = st.text_input(
            t("models.new_name"), _stem(model), max_chars=MAX_NAME_CHARS, key=f"models_new_name_{model.id}"
        )
        if button("models.rename", icon="edit", key=f"models_rename_{model.id}", disabled=name == _stem(model)):
            _rename(model, name)
        sure = st.toggle(
            tm("models.delete_sure", size=say.size(model.size), path=model.path), key=f"models_delete_sure_{model.id}"
        )
        if button("models.delete", icon="delete", key=f"models_delete_{model.id}", disabled=not sure):
            _delete(model)


def _stem(model: ModelInfo) -> str:
    path = Path(model.path)
    return path.stem if path.suffix.lower() == ".gguf" else path.name


def _rename(model: ModelInfo, name: str) -> None:
    if not _set_free(model) or (path := attempt(lambda: rename_model(model, name, roots()))) is None:
        return
    attempt(lambda: model_notes().move(model.id, id_at(model, path)))
    inform(t("models.renamed", name=path.name))
    scan_again()
    st.rerun()


def _delete(model: ModelInfo) -> None:
    if attempt(lambda: places_of(model, roots())) is None or not _set_free(model):
        return
    freed = perform(asyncio.to_thread(delete_model, model, roots()), timeout_s=120)
    if freed is None:
        return
    attempt(lambda: model_notes().forget(model.id))
    inform(t("models.deleted", name=model.name, size=say.size(freed)))
    scan_again()
    st.rerun()


def _set_free(model: ModelInfo) -> bool:
    """Take it out of memory; one that is answering stays, and that is said."""
    engine = get_workbench().engine
    loaded = next((one for one in engine.loaded_models() if one.model_id == model.loaded_as.id), None)
    if loaded is None:
        return True
    if loaded.active:
        inform(t("models.busy_files", name=model.name))
        return False

    async def unload() -> bool:
        await engine.unload(model.loaded_as.id)
        return True

    return bool(perform(unload()))
