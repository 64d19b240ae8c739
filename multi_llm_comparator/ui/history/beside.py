"""Two runs side by side: what was asked, what was answered, and the figures."""

from __future__ import annotations

from html import escape
from itertools import zip_longest

import streamlit as st

from multi_llm_comparator.core.readable import NOTHING, cut_line
from multi_llm_comparator.tracking.records import RunSummary
from multi_llm_comparator.ui.history.kinds import KINDS, open_page_of
from multi_llm_comparator.ui.history.overview import Overview, Part, ShownAnswer
from multi_llm_comparator.ui.history.rows import tag_chips, title_of, told_title, traits
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import letter, letter_badge, model_label, problem, table
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.markdown import bounded, to_markdown
from multi_llm_comparator.ui.kit.palette import MODEL_TONES

MAX_PARTS = 30
MAX_PROMPT_CHARS, MAX_ANSWER_CHARS, MAX_NOTE_CHARS = 2_000, 12_000, 400


def draw_beside(first: RunSummary, second: RunSummary) -> None:
    """Both runs in two columns; on a narrow page, part under part."""
    runs = (first, second)
    for index, (run, column) in enumerate(zip(runs, st.columns(2, gap="medium"), strict=True)):
        with column:
            _draw_heading(run, index)
    left, right = (_overview(run) for run in runs)
    st.html(_figures(left, right))
    parts = list(zip_longest(left.parts[:MAX_PARTS], right.parts[:MAX_PARTS]))
    for number, pair in enumerate(parts):
        for index, (part, column) in enumerate(zip(pair, st.columns(2, gap="medium"), strict=True)):
            if part is not None:
                with column, st.container(border=True, key=f"beside_{number}_{index}"):
                    _draw_part(part, index)
    if (most := max(len(left.parts), len(right.parts))) > MAX_PARTS:
        st.caption(tn("history.beside_more", most - MAX_PARTS))


def _overview(run: RunSummary) -> Overview:
    """What there is of a run; of one that cannot be read, nothing."""
    return (KINDS[run.kind].overview(run.id) if run.kind in KINDS else None) or Overview()


def _draw_heading(run: RunSummary, index: int) -> None:
    title, whole, badge = title_of(run), escape(told_title(run.title)), letter_badge(index, MODEL_TONES[index])
    with st.container(horizontal=True, vertical_alignment="top", wrap=False, gap="xsmall", key=f"beside_head_{index}"):
        st.html(
            f'<div class="mlc-head">{badge}<b class="mlc-name" title="{whole}">{escape(title)}</b></div>'
            f'<div class="mlc-models">{traits(run)}{tag_chips(run.tags)}</div>'
            + (f'<div class="mlc-muted">{escape(cut_line(run.note, MAX_NOTE_CHARS))}</div>' if run.note else ""),
            width="stretch",
        )
        if quiet_button("history.open", icon="open_in_new", key=f"beside_open_{index}", disabled=run.kind not in KINDS):
            open_page_of(run)


def _figures(left: Overview, right: Overview) -> str:
    """One row for each figure that is known of either of them."""
    names = list(dict.fromkeys([*left.figures, *right.figures]))
    rows = [[name, left.figures.get(name, NOTHING), right.figures.get(name, NOTHING)] for name in names]
    known = [[escape(cell) for cell in row] for row in rows if row[1:] != [NOTHING, NOTHING]]
    return table(["", letter(0), letter(1)], known, words=(1, 2))


def _draw_part(part: Part, index: int) -> None:
    prompt = bounded(part.prompt, MAX_PROMPT_CHARS)
    badge = letter_badge(index, MODEL_TONES[index])
    st.html(f'<div class="mlc-head">{badge}<b class="mlc-asked">{escape(prompt)}</b></div>')
    for answer in part.answers:
        _draw_answer(answer)


def _draw_answer(answer: ShownAnswer) -> None:
    figures = escape(" · ".join(answer.figures))
    who = model_label(answer.model, tone_of(answer.target)) if answer.target else f"<b>{escape(answer.model)}</b>"
    st.html(f'<div class="mlc-models">{who}{answer.chip}<span class="mlc-muted">{figures}</span></div>')
    if answer.error:
        st.html(problem(t("history.no_answer"), answer.error))
    for block in to_markdown(bounded(answer.text, MAX_ANSWER_CHARS)) if answer.text else ():
        st.markdown(block, anchors=False)
