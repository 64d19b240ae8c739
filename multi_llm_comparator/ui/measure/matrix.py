"""The matrix on the page: prompts down, models across, narrowed to what is worth a look; a click opens the answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import streamlit as st

from multi_llm_comparator.core.readable import NOTHING, cut_line
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.crossing import headings
from multi_llm_comparator.evaluation.measuring.matrix import SHOWS, Narrowing, Show, rows_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import source_name, words_of
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.kit.scrolling import scroll_to
from multi_llm_comparator.ui.measure.answers import draw_answers
from multi_llm_comparator.ui.measure.opening import kept_key, pick, turns
from multi_llm_comparator.ui.measure.places import chosen_place, mark_place
from multi_llm_comparator.ui.measure.state import RUN

# A browser shows no more; a narrowing finds the others, and files have all.
MAX_ROWS = 1000
SHOWN_CHARS = 80
MAX_TAGS = 500

S = TypeVar("S", bound=str)


def draw_matrix(run: EvaluationRun) -> None:
    """The filters, the table, and the answers of the row that was picked."""
    snapshot = RUN.taken(run)
    if not snapshot.items or not (snapshot.cells or snapshot.running):
        return
    wanted = _draw_narrowing(snapshot)
    rows = rows_of(snapshot, wanted)
    shown = rows[:MAX_ROWS]
    cut = f" {t('measure.rows_cut', n=f'{MAX_ROWS:,}')}" if len(rows) > MAX_ROWS else ""
    st.caption(f"{tn('measure.rows', len(rows), total=f'{len(snapshot.items):,}')}{cut}")
    if not rows:
        return
    picked = _picked(snapshot, shown)
    mark_place(kept_key("matrix", snapshot.id), None if picked is None else shown.index(picked), "prompt")
    st.dataframe(
        [_row(snapshot, number) for number in shown],
        hide_index=True,
        key=kept_key("matrix", snapshot.id),
        on_select=lambda: _pick(snapshot.id, shown),
        selection_mode="single-cell",
        column_config=_columns(snapshot),
        height=min(38 + 35 * len(shown), 420),
    )
    if picked is not None:
        draw_answers(run, snapshot, picked, shown)
    if turned := turns():
        place = "narrowing" if picked is None else "answers"
        scroll_to(f"st-key-measure_{place}", f"{snapshot.id}:{turned}")


def _draw_narrowing(snapshot: EvaluationSnapshot) -> Narrowing:
    key = partial(kept_key, run_id=snapshot.id)
    tags = sorted({tag for item in snapshot.items for tag in item.tags})[:MAX_TAGS]
    if (wanted := st.session_state.get(key("tag"))) and wanted not in tags:
        # It was chosen among the results by tag.
        tags.append(wanted)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="measure_narrowing"):
        show: Show = _choice("show", SHOWS, lambda one: t(f"measure.show_{one}"), key("show")) or "all"
        subject = tag = source = ""
        if len(snapshot.spec.subjects) > 1:
            names = {letter: cut_line(name, 60) for letter, name in headings(snapshot.spec.subjects).items()}
            all_models = t("measure.all_models")
            subject = _choice("looked_at", ["", *names], lambda one: names.get(one) or all_models, key("subject"))
        if tags:
            tag = _choice("tag", ["", *tags], lambda one: one or t("measure.any"), key("tag"))
        if len(snapshot.sources) > 1:
            source = _choice("source", ["", *snapshot.sources], _source_words, key("source"))
        text = st.text_input(t("measure.search"), key=key("text"), max_chars=200, width=220)
        low, high = st.slider(t("measure.between"), 0.0, 1.0, (0.0, 1.0), 0.05, key=key("between"), width=220)
    return Narrowing(
        show=show, subject=subject or "", tag=tag or "", source=source or "", text=text, lowest=low, highest=high
    )


def _choice(name: str, options: Sequence[S], words: Callable[[S], str], key: str) -> S:
    return st.selectbox(t(f"measure.{name}"), options, format_func=words, key=key, width=200)


def _source_words(source: str) -> str:
    return source_name(words_of(current_language()), source) if source else t("measure.any")


def _pick(run_id: str, shown: list[int]) -> None:
    row, _ = chosen_place(kept_key("matrix", run_id)) or (len(shown), "")
    pick(run_id, shown[row] if row < len(shown) else None)


def _picked(snapshot: EvaluationSnapshot, shown: list[int]) -> int | None:
    picked = st.session_state.get(kept_key("picked", snapshot.id))
    return picked if picked in shown else None


def _row(snapshot: EvaluationSnapshot, number: int) -> dict[str, str]:
    item = snapshot.items[number]
    several = len(snapshot.sources) > 1 or item.task != item.source
    cells = {subject.id: _cell_words(snapshot, number, subject.id) for subject in snapshot.spec.subjects}
    return {
        **({"task": item.task} if several else {}),
        "prompt": item.title,
        "expected": cut_line(item.target, SHOWN_CHARS),
        **cells,
    }


def _cell_words(snapshot: EvaluationSnapshot, number: int, subject: str) -> str:
    words = []
    for repeat in range(snapshot.spec.repeats):
        key = CellKey(number, subject, repeat)
        if (cell := snapshot.cells.get(key)) is not None:
            words.append(f"{mark(cell)} {cut_line(cell.text or cell.error or '', SHOWN_CHARS)}")
        elif key in snapshot.running:
            words.append(f"… {cut_line(snapshot.running[key], SHOWN_CHARS)}")
    return " | ".join(words)


def mark(cell: Cell) -> str:
    """Right, wrong, in between, not scored, failed."""
    if cell.state == "failed":
        return "⚠"
    if cell.value is None:
        return NOTHING
    return "✓" if cell.value == 1 else "✗" if cell.value == 0 else f"{cell.value:.2g}"


def _columns(snapshot: EvaluationSnapshot) -> dict[str, Any]:
    names = {letter: cut_line(name, 60) for letter, name in headings(snapshot.spec.subjects).items()}
    return {
        "task": st.column_config.TextColumn(t("measure.task"), width="small"),
        "prompt": st.column_config.TextColumn(t("measure.column_prompt"), width="medium"),
        "expected": st.column_config.TextColumn(t("measure.column_expected"), width="small"),
        **{letter: st.column_config.TextColumn(name, width="medium") for letter, name in names.items()},
    }
