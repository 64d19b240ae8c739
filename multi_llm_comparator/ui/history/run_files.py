"""A run as a file: four formats out, one in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.importing import MAX_IMPORT_BYTES, import_run
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, inform, warn
from multi_llm_comparator.ui.kit.file_names import file_stem
from multi_llm_comparator.ui.kit.i18n import Language, current_language, t
from multi_llm_comparator.workbench import get_workbench

# Name, the ending of the file, its media type.
FORMATS = (
    ("json", "json", "application/json"),
    ("csv", "csv", "text/csv"),
    ("markdown", "md", "text/markdown"),
    ("html", "html", "text/html"),
)


def draw_exports(take: Callable[[], ComparisonSnapshot], snapshot: ComparisonSnapshot) -> None:
    """One button for each format; the file is made when it is asked for, from the state at that moment."""
    stem = file_stem("comparison", snapshot.created_at, snapshot.title, snapshot.id)
    for name, ending, media_type in FORMATS:
        st.download_button(
            t(f"export.{name}"),
            data=partial(_file, take, name, current_language()),
            file_name=f"{stem}.{ending}",
            mime=media_type,
            key=f"compare_export_{name}_{snapshot.id}",
            help=t(f"export.{name}_why"),
            on_click="ignore",
            width="stretch",
            disabled=not snapshot.turns,
        )


def _file(take: Callable[[], ComparisonSnapshot], name: str, language: Language) -> bytes:
    return export_run(take(), name, language)


def draw_import(opened: Callable[[str], None]) -> None:
    """Read a run that was exported as JSON; it is opened as a run of its own."""
    upload = st.file_uploader(
        t("run.import"),
        type="json",
        key=f"compare_import_{st.session_state.get('compare_imports', 0)}",
        help=t("run.import_why"),
        max_upload_size=MAX_IMPORT_BYTES >> 20,
    )
    if upload is None:
        return
    st.session_state["compare_imports"] = st.session_state.get("compare_imports", 0) + 1
    if upload.size > MAX_IMPORT_BYTES:
        warn(t("run.import_too_large", limit=say.size(MAX_IMPORT_BYTES)))
    elif (run_id := attempt(lambda: _store_import(upload.getvalue()))) is not None:
        opened(run_id)
        inform(t("run.imported"))
    st.rerun()


def _store_import(data: bytes) -> str:
    run, answers = import_run(data)
    get_workbench().store.save_run(run, answers)
    return run.id
