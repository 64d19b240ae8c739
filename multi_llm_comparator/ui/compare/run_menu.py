"""What can be done with a whole comparison: name it, share its thread, export, import, run again, start anew."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import KIND
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.ui.compare.state import leave_run, open_run
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_import
from multi_llm_comparator.ui.history.run_heading import draw_export, draw_new
from multi_llm_comparator.ui.kit.actions import inform, perform
from multi_llm_comparator.ui.kit.buttons import button, opener
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.measure.adding import draw_add_to_set
from multi_llm_comparator.workbench import get_workbench


def draw_heading(comparison: Comparison | None) -> None:
    """The page's title line: the run's name on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="compare_heading"):
        if comparison is None:
            st.title(t("compare.new_title"), anchor=False, width="stretch")
        else:
            _draw_run_heading(comparison, comparison.snapshot())
        # Opening another run closes the list: it is another popover then.
        key = f"compare_runs_{comparison.id if comparison else ''}"
        opener("run.runs", _draw_runs, icon="history", key=key, type="tertiary")
        opener("run.more", _draw_more, comparison, icon="more_horiz", key="compare_more", type="tertiary")


def _draw_runs() -> None:
    draw_recent(KIND, open_run, key="compare_runs")


def _draw_run_heading(comparison: Comparison, snapshot: ComparisonSnapshot) -> None:
    st.title(plain(snapshot.title) or t("compare.new_title"), anchor=False, width="stretch")
    shared = st.segmented_control(
        t("run.thread"),
        ("own", "shared"),
        default="shared" if snapshot.shared_thread else "own",
        required=True,
        format_func=lambda kind: t(f"run.thread_{kind}"),
        label_visibility="collapsed",
        key=f"compare_thread_{comparison.id}",
        help=t("run.thread_why"),
    )
    if (shared == "shared") != snapshot.shared_thread:
        perform(comparison.set_shared_thread(shared == "shared"), comparison.id)
    draw_new("compare", leave_run)
    leave_out = () if snapshot.turns else export_run.formats
    draw_export("compare", KIND, comparison.id, snapshot.created_at, snapshot.title, leave_out=leave_out)


def _draw_more(comparison: Comparison | None) -> None:
    if comparison is not None:
        _draw_rename(comparison)
        _draw_again(comparison)
        draw_add_to_set(comparison.snapshot())
    draw_import(open_run)


def _draw_rename(comparison: Comparison) -> None:
    title = st.text_input(t("run.title"), comparison.title, key=f"compare_title_{comparison.id}")
    if title.strip() and title != comparison.title:
        perform(comparison.rename(title), comparison.id)
        st.rerun()


def _draw_again(comparison: Comparison) -> None:
    """Run again: the same prompts to the same models, as a new run."""
    with st.container(horizontal=True):
        _again_button(comparison, "again_same", same_seeds=True)
        _again_button(comparison, "again_new", same_seeds=False)


def _again_button(comparison: Comparison, name: str, *, same_seeds: bool) -> None:
    def again() -> None:
        new = perform(get_workbench().comparisons.rerun(comparison.id, same_seeds=same_seeds), comparison.id)
        if new is not None:
            open_run(new.id)
            inform(t("run.again_started"))

    button(
        f"run.{name}", again, icon="replay", key=f"compare_{name}", why=True, disabled=not comparison.snapshot().turns
    )
