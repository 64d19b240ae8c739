"""Prompt sets on the page: upload, edit as a table, save, download, delete."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.prompt_set_files import (
    FILE_FORMATS,
    MAX_FILE_BYTES,
    prompt_set_file,
    read_prompt_set,
    row_from,
)
from multi_llm_comparator.evaluation.prompt_sets import COMPARISONS, MAX_NAME_CHARS, PromptSet, checked_set
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.measure.asked import EXAMPLE, NO_SET
from multi_llm_comparator.ui.measure.state import SETUP

_EDITED, _UPLOADS = "measure_edited", "measure_uploads"
_MEDIA = {"csv": "text/csv", "jsonl": "application/jsonl", "json": "application/json"}
# A table in a browser grows slow beyond this; a larger set is edited as a file.
MAX_EDITED_ROWS = 2000


@dataclass(frozen=True)
class _Draft:
    """The set that the editor was opened with; ``key`` tells this opening from others."""

    prompts: PromptSet | None
    key: str


def draw_set_buttons(prompts: PromptSet | None, chosen: str) -> None:
    """Under the choice of a set."""
    with st.container(horizontal=True, gap="small"):
        # Another one after each upload, so that it closes then.
        key = f"measure_upload_{st.session_state.get(_UPLOADS, 0)}"
        with st.popover(t("measure.upload"), icon=":material/upload_file:", type="tertiary", key=key):
            _draw_upload()
        quiet_button(
            "measure.edit_set",
            _edit,
            prompts,
            icon="edit_note",
            key="measure_edit_set",
            disabled=prompts is None or len(prompts.rows) > MAX_EDITED_ROWS,
        )
        quiet_button("measure.new_set", _edit, None, icon="add", key="measure_new_set")
        if prompts is not None:
            _draw_files(prompts, chosen)


def _draw_files(prompts: PromptSet, chosen: str) -> None:
    with st.popover(t("measure.set_more"), icon=":material/more_horiz:", type="tertiary", key="measure_set_more"):
        for format in FILE_FORMATS:
            st.download_button(
                t(f"measure.download_{format}"),
                data=partial(prompt_set_file, prompts, format),
                file_name=f"{prompts.name[:60]}.{format}",
                mime=_MEDIA[format],
                key=f"measure_download_{format}",
                on_click="ignore",
                width="stretch",
            )
        if chosen not in (EXAMPLE, NO_SET):
            button("measure.delete_set", _delete, prompts, icon="delete", key="measure_delete_set", width="stretch")


def _draw_upload() -> None:
    st.caption(t("measure.upload_why"))
    times = st.session_state.get(_UPLOADS, 0)
    upload = st.file_uploader(
        t("measure.upload"),
        type=["csv", "jsonl", "json"],
        key=f"measure_file_{times}",
        label_visibility="collapsed",
        max_upload_size=MAX_FILE_BYTES >> 20,
    )
    if upload is None:
        return
    st.session_state[_UPLOADS] = times + 1
    prompts = attempt(lambda: read_prompt_set(upload.getvalue(), upload.name))
    kept = None if prompts is None else attempt(lambda: PromptSets().save(prompts))
    if kept is not None:
        inform(tn("measure.kept", len(kept.rows), name=kept.name))
        SETUP.revise(prompts=kept.id)
    st.rerun()


def _delete(prompts: PromptSet) -> None:
    PromptSets().delete(prompts.id)
    inform(t("measure.deleted", name=prompts.name))
    SETUP.revise(prompts=EXAMPLE)


def _edit(prompts: PromptSet | None) -> None:
    st.session_state[_EDITED] = _Draft(prompts, uuid.uuid4().hex[:8])


def draw_set_editor() -> None:
    """The dialog, if it was asked for."""
    draft: _Draft | None = st.session_state.get(_EDITED)
    if draft is None:
        return

    # A slip beside it must not cost what was written.
    @st.dialog(t("measure.edit_set"), width="large", dismissible=False)
    def dialog() -> None:
        prompts = draft.prompts
        name, template, system = _draw_words(draft)
        column = st.text_input(
            t("measure.add_variable"), key=f"measure_variable_{draft.key}", help=t("measure.add_variable_why")
        )
        rows = st.data_editor(
            _table(prompts, column),
            num_rows="dynamic",
            key=f"measure_rows_{draft.key}_{column}",
            hide_index=True,
            column_config=_columns(),
            height=360,
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(t("act.cancel"), key="measure_edit_cancel", type="tertiary"):
                _close()
            if st.button(t("measure.save_set"), icon=":material/save:", type="primary", key="measure_edit_save"):
                kept = attempt(lambda: _saved(prompts, name, template, system, rows))
                if kept is not None:
                    inform(tn("measure.kept", len(kept.rows), name=kept.name))
                    SETUP.revise(prompts=kept.id)
                    _close()
                st.rerun(scope="fragment")

    dialog()


def _draw_words(draft: _Draft) -> tuple[str, str, str]:
    """Its name, the template of its prompts, and the system prompt."""
    prompts = draft.prompts
    name = st.text_input(
        t("measure.set_name"),
        prompts.name if prompts else "",
        key=f"measure_set_name_{draft.key}",
        max_chars=MAX_NAME_CHARS,
    )
    template = st.text_area(
        t("measure.template"),
        prompts.template if prompts else "",
        key=f"measure_template_{draft.key}",
        help=t("measure.template_why"),
        height=80,
    )
    system = st.text_area(
        t("measure.system"), prompts.system if prompts else "", key=f"measure_system_{draft.key}", height=68
    )
    return name, template, system


def _close() -> None:
    st.session_state.pop(_EDITED, None)
    st.rerun()


def _table(prompts: PromptSet | None, column: str) -> list[dict[str, str]]:
    rows = prompts.rows if prompts else ()
    names = list(dict.fromkeys([*(name for row in rows for name in row.variables), *([column] if column else [])]))
    table = [
        {
            "prompt": row.prompt,
            **{name: row.variables.get(name, "") for name in names},
            "expected": row.expected,
            "compare": row.compare,
            "tags": "; ".join(row.tags),
            "cluster": row.cluster,
            "id": row.id,
        }
        for row in rows
    ]
    blank = {
        "prompt": "",
        **dict.fromkeys(names, ""),
        "expected": "",
        "compare": "",
        "tags": "",
        "cluster": "",
        "id": "",
    }
    return table or [blank]


def _columns() -> dict[str, Any]:
    return {
        "prompt": st.column_config.TextColumn(t("measure.column_prompt"), width="large"),
        "expected": st.column_config.TextColumn(t("measure.column_expected"), width="medium"),
        "compare": st.column_config.SelectboxColumn(t("measure.column_compare"), options=["", *COMPARISONS]),
        "tags": st.column_config.TextColumn(t("measure.column_tags"), width="small"),
        "cluster": st.column_config.TextColumn(
            t("measure.column_cluster"), help=t("measure.column_cluster_why"), width="small"
        ),
        "id": st.column_config.TextColumn("ID", width="small"),
    }


def _saved(prompts: PromptSet | None, name: str, template: str, system: str, rows: Any) -> PromptSet:
    """Raises DocumentError, ConfigurationError: a row is wrong, or it cannot be kept."""
    entries = rows if isinstance(rows, list) else rows.to_dict("records")
    filled = [entry for entry in entries if any(str(value or "").strip() for value in entry.values())]
    if not filled:
        raise DocumentError(t("measure.set_empty"))
    taken: set[str] = set()
    # The table has no place for them.
    images = {row.id: row.images for row in prompts.rows} if prompts else {}
    fields = []
    for number, entry in enumerate(filled, 1):
        row = row_from(number, {key: value or "" for key, value in entry.items()}, name or t("measure.new_set"))
        while row["id"] in taken:
            row["id"] = f"{row['id']}'"
        taken.add(row["id"])
        fields.append({**row, "images": images.get(row["id"], ())})
    checked = checked_set(
        name or t("measure.new_set"),
        id=prompts.id if prompts else "",
        name=name.strip() or t("measure.new_set"),
        note=prompts.note if prompts else "",
        template=template,
        system=system,
        rows=fields,
    )
    return PromptSets().save(checked)
