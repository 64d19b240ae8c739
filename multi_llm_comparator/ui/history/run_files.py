"""Runs as files: one in each of its formats, several as an archive, and one read in again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

import streamlit as st

from multi_llm_comparator.comparison.importing import MAX_IMPORT_BYTES
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.file_names import FILE_KINDS, file_stem
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.run_files import ARCHIVED_AS, RunFiles
from multi_llm_comparator.ui.history.bundles import open_bundle
from multi_llm_comparator.ui.history.share import draw_share
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import inform, perform, warn
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.taking_files import draw_upload
from multi_llm_comparator.workbench import get_workbench

EXPORT_S, ARCHIVE_S = 60.0, 600.0


def draw_exports(kind: str, run_id: str, created_at: float, title: str, *, leave_out: Collection[str] = ()) -> None:
    """One button for each format; the file is made when it is asked for, from the run as it is then.

    ``leave_out`` are formats that the run cannot have yet.
    """
    stem = file_stem(kind, created_at, title, run_id)
    for name in run_files().formats(kind):
        ending, media_type = FILE_KINDS[name]
        st.download_button(
            t(f"export.{name}"),
            data=partial(_file, kind, run_id, name, current_language()),
            file_name=f"{stem}.{ending}",
            mime=media_type,
            key=f"export_{kind}_{name}_{run_id}",
            help=t(f"export.{kind}_{name}_why"),
            on_click="ignore",
            width="stretch",
            disabled=name in leave_out,
        )
    if "html" in run_files().formats(kind) and "html" not in leave_out:
        draw_share(kind, run_id, created_at, title)


def draw_archives(run_ids: Sequence[str]) -> None:
    """One button for each format that all kinds have: the runs as one ZIP file."""
    day = say.moment(now(), st.context.timezone)[:10]
    for name in ARCHIVED_AS:
        st.download_button(
            f"ZIP · {t(f'export.{name}')}",
            data=partial(_archive, tuple(run_ids), name, current_language()),
            file_name=f"runs-{day}-{name}.zip",
            mime="application/zip",
            key=f"history_archive_{name}",
            help=t("history.archive_why"),
            on_click="ignore",
            width="stretch",
        )


def run_files() -> RunFiles:
    workbench = get_workbench()
    return RunFiles(workbench.runs)


# No session in these two: a file is made when the browser fetches it.
def _file(kind: str, run_id: str, name: str, language: Language) -> bytes:
    return get_workbench().bridge.run(run_files().data(kind, run_id, name, language), timeout_s=EXPORT_S)


def _archive(run_ids: tuple[str, ...], name: str, language: Language) -> bytes:
    return get_workbench().bridge.run(run_files().archive(run_ids, name, language), timeout_s=ARCHIVE_S)


def draw_import(opened: Callable[[str], None]) -> None:
    """Read a comparison that was exported as JSON, which is opened as a run of its own, or a bundle of any run."""

    def take(name: str, data: bytes) -> None:
        if len(data) > MAX_IMPORT_BYTES:
            warn(t("run.import_too_large", limit=say.size(MAX_IMPORT_BYTES)))
        elif name.lower().endswith(".zip"):
            open_bundle(data)
        elif (run := perform(get_workbench().comparisons.import_run(data), timeout_s=EXPORT_S)) is not None:
            opened(run.id)
            inform(t("run.imported"))

    draw_upload("run.import", ["json", "zip"], MAX_IMPORT_BYTES, take, key="compare_import", why="run.import_why")
