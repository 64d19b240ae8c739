"""Several runs at once: picked in the list, then deleted, exported together or set side by side."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from multi_llm_comparator.run_files import MAX_ARCHIVE_RUNS
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.ui.history.kinds import KINDS
from multi_llm_comparator.ui.history.rows import title_of
from multi_llm_comparator.ui.history.run_files import draw_archives
from multi_llm_comparator.ui.kit.actions import inform, perform, warn
from multi_llm_comparator.ui.kit.buttons import button, main_button, opener, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.workbench import get_workbench

# Picked ids, in the order in which they were picked.
_PICKED = "history_picked"
BESIDE = "beside"
DELETING_S = 120.0


def picked() -> list[str]:
    found: list[str] = st.session_state.setdefault(_PICKED, [])
    return found


def draw_pick(run: RunSummary) -> None:
    """The box before a row."""
    key = _key(run.id)
    if key not in st.session_state:
        st.session_state[key] = run.id in picked()
    st.checkbox(plain(title_of(run)), key=key, label_visibility="collapsed", on_change=_picked, args=(run.id,))


def draw_pick_all(runs: Sequence[RunSummary]) -> None:
    """One button for all rows that the page shows."""
    ids = [run.id for run in runs]
    is_all = all(run_id in picked() for run_id in ids)
    quiet_button(
        "history.pick_none" if is_all else "history.pick_all",
        _pick,
        ids,
        not is_all,
        icon="deselect" if is_all else "select_all",
        key="history_pick_all",
    )


def draw_picked() -> None:
    """What can be done with what is picked; nothing while nothing is."""
    ids = picked()
    if not ids:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True, key="history_bulk", gap="small"):
        st.markdown(tn("history.picked", len(ids)), width="content")
        button(
            "history.beside",
            _set_beside,
            icon="splitscreen_left",
            key="history_beside",
            why=True,
            disabled=len(ids) != 2,
        )
        opener("run.export", draw_archives, ids, icon="folder_zip", key="history_export")
        opener("history.delete", _draw_delete, ids, icon="delete", key="history_delete")
        quiet_button("history.pick_end", _clear, icon="close", key="history_pick_end")


def _draw_delete(ids: Sequence[str]) -> None:
    st.write(tn("history.delete_all_sure", len(ids)))
    main_button("history.delete_yes", delete_runs, list(ids), key="history_delete_all_yes")


def delete_runs(run_ids: Sequence[str]) -> None:
    """Stop runs and delete them for good, all of them or, where one cannot be deleted, none."""
    runs = get_workbench().runs
    deleted = perform(runs.delete(run_ids), timeout_s=DELETING_S)
    if deleted is None:
        return
    _pick(run_ids, False)
    for run_id in run_ids:
        for kind in KINDS.values():
            kind.forget(run_id)
    inform(tn("history.deleted", deleted))


def pair_in_address() -> tuple[RunSummary, RunSummary] | None:
    """The two runs that the address sets side by side."""
    asked = st.query_params.get(BESIDE, "").split(",")
    if len(asked) != 2:
        return None
    found = {run.id: run for run in perform(get_workbench().runs.list(RunFilter(ids=tuple(asked)), 2)) or ()}
    if missing := [run_id for run_id in asked if run_id not in found]:
        warn(t("history.beside_gone", run=missing[0][:40]))
        leave_pair()
        return None
    return found[asked[0]], found[asked[1]]


def leave_pair() -> None:
    """Back to the list."""
    st.query_params.pop(BESIDE, None)


def _set_beside() -> None:
    st.query_params[BESIDE] = ",".join(picked())


def _picked(run_id: str) -> None:
    _pick([run_id], bool(st.session_state[_key(run_id)]))


def _pick(run_ids: Sequence[str], is_picked: bool) -> None:
    others = [run_id for run_id in picked() if run_id not in run_ids]
    room = MAX_ARCHIVE_RUNS - len(others)
    if is_picked and len(run_ids) > room:
        warn(t("history.picked_most", most=MAX_ARCHIVE_RUNS))
    added = list(run_ids)[:room] if is_picked else []
    st.session_state[_PICKED] = [*others, *added]
    for run_id in run_ids:
        st.session_state[_key(run_id)] = run_id in added


def _clear() -> None:
    _pick(picked(), False)


def _key(run_id: str) -> str:
    return f"history_pick_{run_id}"
