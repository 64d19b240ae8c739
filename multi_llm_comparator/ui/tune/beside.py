"""Several jobs beside each other: their curves in one chart, and a table of what differs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import differences
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.ui.history.rows import state_of_run, title_of
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import dot, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from multi_llm_comparator.ui.tune.curves import LOSS, VALIDATION_LOSS
from multi_llm_comparator.ui.tune.figures import from_to, last_of
from multi_llm_comparator.ui.tune.jobs import TUNING
from multi_llm_comparator.ui.tune.state import MAX_BESIDE, beside_ids, show_beside
from multi_llm_comparator.workbench import get_workbench

MAX_OFFERED = 60
MAX_VALUE_CHARS = 60
_NAME_CHARS = 48


def draw_beside_choice(job: JobSnapshot) -> None:
    """Which other jobs are drawn over this one; those of its grid come first."""
    listed = perform(get_workbench().runs.list(RunFilter(kind=TUNING), MAX_OFFERED)) or []
    offered = {run.id: run for run in listed if run.id != job.id}
    if not offered:
        st.caption(t("tune.beside_none"))
        return
    family = job.parent_id or job.id
    order = sorted(offered, key=lambda run_id: offered[run_id].parent_id != family)
    chosen = [run_id for run_id in beside_ids() if run_id in offered]
    key = f"tune_beside_{job.id}_{len(order)}"
    st.multiselect(
        t("tune.beside_choose"),
        order,
        chosen,
        key=key,
        max_selections=MAX_BESIDE,
        format_func=lambda run_id: plain(cut_line(title_of(offered[run_id]), _NAME_CHARS)),
        on_change=lambda: show_beside(tuple(st.session_state[key])),
    )


def draw_differences(jobs: Sequence[JobSnapshot]) -> None:
    """One column for each job: how it went, and each option in which they differ."""
    head = ["", *(cut_line(job.title, _NAME_CHARS) for job in jobs)]
    dots = [dot(MODEL_TONES[place % len(MODEL_TONES)]) for place in range(len(jobs))]
    rows = [[escape(t("tune.column_state")), *(d + state_of_run(job.state) for d, job in zip(dots, jobs, strict=True))]]
    rows += [[escape(name), *map(escape, values)] for name, values in _outcomes(jobs)]
    rows += [
        [escape(option_name(name)), *(f"<b>{escape(value_text(value))}</b>" for value in values)]
        for name, values in differences([job.spec for job in jobs]).items()
    ]
    st.html(table(head, rows, words=tuple(range(1, len(jobs) + 1))))


def _outcomes(jobs: Sequence[JobSnapshot]) -> list[tuple[str, list[str]]]:
    return [
        (t("tune.series_loss"), [from_to(job.curves.get(LOSS, ())) for job in jobs]),
        (t("tune.series_validation_loss"), [from_to(job.curves.get(VALIDATION_LOSS, ())) for job in jobs]),
        (t("tune.series_tokens_per_s"), [say.speed(last_of(job, "tokens_per_s")) for job in jobs]),
    ]


def option_name(name: str) -> str:
    """What an option is called in the reader's language; one that nobody foresaw by its own name."""
    key = f"tune.option_{name.rpartition('.')[2]}"
    return t(key) if key in texts(current_language()) else name


def value_text(value: Any) -> str:
    """An option's value in one short line."""
    if value is None or value in ("", (), []):
        return say.NOTHING
    if isinstance(value, bool):
        return t("models.yes") if value else t("models.no")
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return cut_line(", ".join(map(str, value)), MAX_VALUE_CHARS)
    return cut_line(str(value), MAX_VALUE_CHARS)
