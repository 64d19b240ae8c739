"""Making, changing and deleting a group on the page. The file stays the truth: what is written is shown first, entry by
entry, and comments and everything else in it stay as they are."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.groups.config_edit import (
    MODELS,
    ConfigFile,
    version_of,
    with_entry,
    without_group,
)
from multi_llm_comparator.groups.config_loader import parse_config
from multi_llm_comparator.groups.group_entries import GroupEntry, names_twice, read_entry
from multi_llm_comparator.ui.groups.group_draft import Draft
from multi_llm_comparator.ui.groups.group_form import ask_for_group, ask_for_weights, show_changes
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform, refusal
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

_DRAFT = "groups_draft"


def edited_file() -> ConfigFile:
    """The file that the gateway reads."""
    return ConfigFile(get_workbench().gateway.groups.path)


def open_editor(name: str | None) -> None:
    """Have the editor drawn with a group, or for a new one. A file with mistakes is corrected by hand first."""
    attempt(lambda: _open(name))


def _open(name: str | None) -> None:
    file = edited_file()
    text, data = file.text(), file.read()
    parse_config(data, str(file.path))
    raw = (data.get("task_groups") or {}).get(name) if name is not None else {}
    if raw is None:
        raise ConfigurationError(f"there is no group {name!r} in {str(file.path)!r} any more")
    entry = read_entry(raw)
    weights = {model: (one or {}).get("weight", 1) for model, one in (data.get(MODELS) or {}).items()}
    draft = Draft(name, text, dict(raw), entry, dict(enumerate(entry.levels)), weights)
    if name is None:
        draft.add_level()
    st.session_state[_DRAFT] = draft


def draw_editing_buttons() -> None:
    """A new group, and the last change taken back. Outside of what is renewed every second."""
    if edited_file_can_undo():
        quiet_button("group_edit.undo", _undo, icon="undo", key="groups_undo", why=True)
    button("group_edit.new", open_editor, None, icon="add", key="groups_new")


def edited_file_can_undo() -> bool:
    try:
        return edited_file().can_undo()
    except MultiLLMError:
        return False


def _undo() -> None:
    attempt(lambda: edited_file().undo())
    _take_over()


def _take_over() -> None:
    """At once, not when the file is looked at next."""

    async def reload() -> bool:
        return get_workbench().gateway.groups.reload()

    perform(reload())


def draw_group_editor() -> None:
    """The dialog, if it was asked for. Drawn outside the fragment that polls: a poll would close it."""
    draft: Draft | None = st.session_state.get(_DRAFT)
    if draft is None:
        return

    # A slip beside it must not cost what was written.
    @st.dialog(t("group_edit.title" if draft.known_as else "group_edit.title_new"), width="large", dismissible=False)
    def dialog() -> None:
        name, entry = ask_for_group(draft)
        models = list(dict.fromkeys(model for level in entry.levels for model in level.models))
        weights = ask_for_weights(draft, models)
        show_changes(draft.text, lambda: _changed(draft, name, entry, weights))
        wrong = st.empty()
        if said := _draw_ends(draft, lambda: _changed(draft, name, entry, weights), name):
            wrong.html(problem(t("group_edit.refused"), said))

    dialog()


def _draw_ends(draft: Draft, changed: Callable[[], str], name: str) -> str:
    """The buttons below; what is wrong, where what one of them asked for was refused."""
    with st.container(horizontal=True, horizontal_alignment="right", key="groups_editor_ends"):
        if draft.known_as and quiet_button("group_edit.delete", icon="delete", key="groups_editor_delete"):
            known = draft.known_as
            return _end(draft, lambda: without_group(draft.text, known), "group_edit.deleted", known)
        if quiet_button("act.cancel", key="groups_editor_cancel"):
            st.session_state.pop(_DRAFT, None)
            st.rerun()
        if main_button("group_edit.save", icon="check", key="groups_editor_save"):
            return _end(draft, changed, "group_edit.saved", name)
    return ""


def _changed(draft: Draft, name: str, entry: GroupEntry, weights: dict[str, int]) -> str:
    """The file's text with what stands in the form.

    Raises:
        ConfigurationError: it cannot be said in this file, or is wrong.
    """
    if not name:
        raise ConfigurationError(t("group_edit.no_name"))
    if twice := names_twice(entry.levels):
        raise ConfigurationError(t("group_edit.level_twice", name=twice[0]))
    was = {number: level.name for number, level in enumerate(draft.entry.levels)}
    now = {number: level.name for number, level in zip(draft.levels, entry.levels, strict=True)}
    renamed = {was[n]: called for n, called in now.items() if n in was and was[n] != called and called}
    return with_entry(draft.text, name, entry, draft.raw, known_as=draft.known_as, levels=renamed, weights=weights)


def _end(draft: Draft, changed: Callable[[], str], said: str, name: str) -> str:
    """Write the file and close the editor, or say what is wrong."""
    try:
        edited_file().write_edited(changed(), version_of(draft.text))
    except MultiLLMError as exc:
        return refusal(exc)
    _take_over()
    inform(t(said, name=name))
    st.session_state.pop(_DRAFT, None)
    st.rerun()
    return ""
