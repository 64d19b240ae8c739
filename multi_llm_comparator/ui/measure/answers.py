"""The answers to one prompt side by side: what each model saw and wrote, its score and why; one's own by keyboard."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.evaluation.measuring.asking import request_of
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.prompt_task import PROMPTS
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import Subject
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.failures import draw_ways_out, failure
from multi_llm_comparator.ui.kit.html_pieces import model_label
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.measure.in_compare import ask_in_compare
from multi_llm_comparator.ui.measure.opening import pick

# One's own score of the answer in each column, from the left: right, and beneath it wrong.
RIGHT_KEYS, WRONG_KEYS = "1234567", "qwertyu"
MAX_SHOWN_CHARS = 20_000
_SCORED = "measure_scored"
# The data of a task may be large.
READING_S = 60.0


def draw_answers(run: EvaluationRun, snapshot: EvaluationSnapshot, number: int, shown: list[int]) -> None:
    """One row of the matrix, opened; ``shown`` are the rows that one can go on to."""
    item = snapshot.items[number]
    with st.container(border=True, key="measure_answers"):
        _draw_head(snapshot, number, shown)
        if images := _images(snapshot, number):
            st.html("".join(f'<img class="mlc-thumbnail" src="{escape(url)}" alt="">' for url in images))
        st.html(f'<div class="mlc-prompt">{escape(_prompt(snapshot, number))}</div>')
        if item.target:
            st.html(f'<p class="mlc-muted">{escape(t("measure.expects", expected=item.target))}</p>')
        keys = [
            CellKey(number, subject.id, repeat)
            for repeat in range(snapshot.spec.repeats)
            for subject in snapshot.spec.subjects
        ]
        there = [key for key in keys if key in snapshot.cells]
        for start in range(0, len(there), MAX_PANES):
            some = there[start : start + MAX_PANES]
            for offset, (key, column) in enumerate(zip(some, st.columns(len(some)), strict=True)):
                with column:
                    _draw_answer(run, snapshot, key, start + offset)
        _draw_duels(snapshot, number)


def _draw_head(snapshot: EvaluationSnapshot, number: int, shown: list[int]) -> None:
    place = shown.index(number)
    item = snapshot.items[number]
    tags = " · ".join(filter(None, (item.task if item.source != PROMPTS else "", f"#{item.id}", *item.tags)))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(tm("measure.row_of", row=place + 1, rows=len(shown), tags=tags), width="stretch")
        ways = (("measure.earlier", "up", "p", place - 1), ("measure.later", "down", "n", place + 1))
        for words, icon, shortcut, other in ways:
            st.button(
                t(words),
                icon=f":material/keyboard_arrow_{icon}:",
                type="tertiary",
                key=words.replace(".", "_"),
                shortcut=shortcut,
                disabled=not 0 <= other < len(shown),
                on_click=pick,
                args=(snapshot.id, shown[other % len(shown)]),
            )
        if item.source == PROMPTS and button(
            "measure.in_compare", icon="view_column", key="measure_in_compare", why=True
        ):
            _compare(snapshot, number, snapshot.spec.subjects[:MAX_PANES])


def _draw_answer(run: EvaluationRun, snapshot: EvaluationSnapshot, key: CellKey, position: int) -> None:
    subject, cell = snapshot.spec.subject(key.subject), snapshot.cells[key]
    failed = cell.error_type, cell.answered_by or subject.target
    with st.container(border=True, height="stretch", key=f"measure_card_{key.subject}_{key.repeat}"):
        st.html(f"{model_label(subject.name, tone_of(subject.target))} {_score(cell)}")
        if cell.error:
            st.html(failure(cell.error_type, cell.error))
            draw_ways_out([failed], f"measure_{key.subject}_{key.repeat}")
        if cell.text:
            # As it is, not as Markdown: here one looks at what was really written.
            st.code(cell.text[:MAX_SHOWN_CHARS], language=None, wrap_lines=True)
        if cell.logprobs:
            nats = ", ".join(f"{value:.3f}" for value in cell.logprobs)
            st.html(f'<p class="mlc-muted">{escape(nats)} {escape(t("measure.nats"))}</p>')
        if cell.reason:
            st.html(f'<p class="mlc-muted">{escape(cell.reason)}</p>')
        if cell.judgement is not None:
            reasons = " / ".join(cell.judgement.reasons) or cell.judgement.error or ""
            st.html(f'<p class="mlc-muted">{escape(t("measure.judge_says", reason=reasons))}</p>')
        for note in cell.notes:
            st.html(f'<p class="mlc-muted">{escape(note)}</p>')
        st.html(f'<p class="mlc-muted">{escape(_figures(cell))}</p>')
        if cell.state == "done":
            _draw_own_score(run, key, cell, position)
        _draw_prompt_seen(run, subject, key, cell)
        if snapshot.items[key.item].source == PROMPTS and quiet_button(
            "measure.ask_in_compare", icon="open_in_new", key=f"measure_ask_{key.subject}_{key.repeat}"
        ):
            _compare(snapshot, key.item, (subject,), seed=cell.seed)


def _draw_prompt_seen(run: EvaluationRun, subject: Subject, key: CellKey, cell: Cell) -> None:
    """What the model read, examples and all. Of scored choices it is read from the task's data once it is asked for: a
    run does not keep a thousand copies of a subject's examples."""
    if cell.prompt:
        with st.expander(t("measure.prompt_seen")):
            st.code(cell.prompt, language=None, wrap_lines=True)
        return
    if cell.how != "scored" or cell.state != "done":
        return
    name = f"measure_prompt_seen_{key.subject}_{key.repeat}"
    with st.expander(t("measure.prompt_seen"), key=name, on_change="rerun") as box:
        materials = perform(run.materials(), run.id, timeout_s=READING_S) if box.open else None
        if materials is not None:
            prompt = request_of(materials[key.item], subject.config.system_prompt).prompt
            if isinstance(prompt, str):
                st.code(prompt, language=None, wrap_lines=True)


def _score(cell: Cell) -> str:
    value = say.NOTHING if cell.value is None else f"{cell.value:.2g}"
    own = "" if cell.human is None else f" · {escape(t('measure.own', score=f'{cell.human:.2g}'))}"
    return f'<b data-value="{value}">{value}</b>{own}'


def _figures(cell: Cell) -> str:
    speed = f"{say.speed(cell.tokens_per_s)} {t('figure.speed_unit')}" if cell.tokens_per_s else ""
    cut = t("measure.cut") if cell.is_cut else ""
    return " · ".join(filter(None, (say.seconds(cell.duration_s), speed, cut)))


def _draw_own_score(run: EvaluationRun, key: CellKey, cell: Cell, position: int) -> None:
    choices = (
        (1.0, "thumb_up", "right", RIGHT_KEYS),
        (0.0, "thumb_down", "wrong", WRONG_KEYS),
    )
    with st.container(horizontal=True, gap="small"):
        for value, icon, name, keys in choices:
            is_chosen = cell.human == value
            button(
                f"measure.{name}",
                _score_by_hand,
                run,
                key,
                None if is_chosen else value,
                icon=icon,
                key=f"measure_{name}_{key.subject}_{key.repeat}",
                type="primary" if is_chosen else "secondary",
                shortcut=keys[position] if position < len(keys) else None,
            )


def _score_by_hand(run: EvaluationRun, key: CellKey, value: float | None) -> None:
    perform(run.score_by_hand(key, value), run.id)
    st.session_state[_SCORED] = True


def was_scored_by_hand() -> bool:
    """Whether an answer was, since this was asked last."""
    return bool(st.session_state.pop(_SCORED, False))


def _draw_duels(snapshot: EvaluationSnapshot, number: int) -> None:
    for duel in snapshot.duels.values():
        if duel.item == number:
            st.html(f'<p class="mlc-muted">{escape(_duel_words(snapshot, duel))}</p>')


def _duel_words(snapshot: EvaluationSnapshot, duel: Duel) -> str:
    names = {"first": snapshot.spec.subject(duel.first).name, "second": snapshot.spec.subject(duel.second).name}
    reasons = " / ".join(duel.reasons)
    if duel.value is None:
        return t("measure.duel_failed", **names, reason=duel.error or "")
    key = "duel_flipped" if duel.flipped else {1.0: "duel_first", 0.0: "duel_second"}.get(duel.value, "duel_tie")
    return t(f"measure.{key}", **names, reason=reasons)


def _prompt(snapshot: EvaluationSnapshot, number: int) -> str:
    prompts = snapshot.spec.prompts
    if snapshot.items[number].source == PROMPTS and prompts is not None:
        return prompts.prompt_of(prompts.rows[number])
    return snapshot.items[number].title


def _images(snapshot: EvaluationSnapshot, number: int) -> tuple[str, ...]:
    prompts = snapshot.spec.prompts
    is_own = snapshot.items[number].source == PROMPTS and prompts is not None
    return prompts.rows[number].images if is_own and prompts is not None else ()


def _compare(snapshot: EvaluationSnapshot, number: int, subjects: tuple[Subject, ...], seed: int | None = None) -> None:
    """Ask the prompt once more in Compare, with the parameters that it was asked with here."""

    prompts = snapshot.spec.prompts
    system = prompts.system if prompts else ""
    panes = [
        Pane.new(
            subject.target,
            replace(
                subject.config,
                system_prompt=subject.config.system_prompt or system,
                seed=subject.config.seed or seed or snapshot.spec.seed,
            ),
        )
        for subject in subjects
    ]
    ask_in_compare(panes, _prompt(snapshot, number), _images(snapshot, number), snapshot.id)
