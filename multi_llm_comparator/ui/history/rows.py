"""A run as one row of a list, the same on all pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.example_set import EXAMPLE_NAME
from multi_llm_comparator.jobs.entries import PAGES as JOB_PAGES
from multi_llm_comparator.tracking.records import RunSummary
from multi_llm_comparator.ui.history.kinds import kind_name
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import model_label, moment, note_chip
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES, UNKNOWN, Tone
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.kit.visitor import caller_name, visitor
from multi_llm_comparator.ui.plans.targets import name_of

TITLE_CHARS, NOTE_CHARS, DETAIL_CHARS = 160, 200, 120
MODELS_SHOWN = 4
STATES = ("queued", "running", "done", "failed", "stopped", "interrupted")
# As jobs.documents writes them.
_PROGRESS = re.compile(r"(\d{1,12}) of (\d{1,12}) (steps|rows|items|subjects)")
_LOSS = re.compile(r"(loss|validation loss) (\S{1,20})")
_TONES: Mapping[str, Tone] = {
    **{str(s): tone for s, tone in STATE_TONES.items()},
    "interrupted": STATE_TONES["stopped"],
}


def told_title(title: str) -> str:
    """A run's title; the one that no user wrote, of the example, in the reader's language."""
    return t("history.example") if title == EXAMPLE_NAME else title


def title_of(run: RunSummary) -> str:
    """Its title in one line, which ends in … where it was cut."""
    return cut_line(told_title(run.title), TITLE_CHARS) or t("history.untitled")


def row(run: RunSummary, *, parent: str = "", shows_kind: bool = True) -> str:
    """Title, when, state, who took part, tags and the beginning of the note, as HTML.

    Args:
        run: which.
        parent: the title of the run that it was made from, where that is known.
        shows_kind: whether the list has runs of several kinds.
    """
    title = title_of(run)
    note = cut_line(run.note, NOTE_CHARS)
    return (
        f'<div class="mlc-run"><div class="mlc-row-title" title="{escape(told_title(run.title))}">{escape(title)}</div>'
        f'<div class="mlc-models">{traits(run, parent=parent, shows_kind=shows_kind)}{tag_chips(run.tags)}</div>'
        + (f'<div class="mlc-muted mlc-note">{escape(note)}</div>' if note else "")
        + "</div>"
    )


def traits(run: RunSummary, *, parent: str = "", shows_kind: bool = True) -> str:
    """When it was made, its kind and state, where it comes from, and the models that were asked, as HTML."""
    pieces = [f'<span class="mlc-muted">{moment(run.created_at, now(), st.context.timezone)}</span>']
    if shows_kind:
        pieces.append(f'<span class="mlc-muted">{escape(kind_name(run.kind))}</span>')
    pieces.append(state_of_run(run.status))
    if run.origin:
        pieces.append(_origin_chip(run.origin))
    if run.caller and run.caller not in ("token", visitor().id):
        name = caller_name(run.caller)
        pieces.append(note_chip(cut_line(name, 40), t("workspace.caller_why", name=name), STATE_TONES["queued"]))
    is_job = run.kind in JOB_PAGES
    # The jobs of a grid have a parent that is no run.
    if run.parent_id is not None and (parent or not is_job):
        what = t("history.made_from", title=parent) if parent else t("history.made_from_gone")
        pieces.append(note_chip(cut_line(what, 60), what, STATE_TONES["queued"]))
    if is_job and run.detail:
        pieces.append(f'<span class="mlc-muted">{escape(cut_line(job_detail(run.detail), DETAIL_CHARS))}</span>')
    models = run.models or (() if is_job else tuple(filter(None, run.detail.split(", "))))
    pieces += [f"<span>{model_label(name_of(name), tone_of(name))}</span>" for name in models[:MODELS_SHOWN]]
    if len(models) > MODELS_SHOWN:
        more = ", ".join(map(name_of, models[MODELS_SHOWN:]))
        pieces.append(
            f'<span title="{escape(more)}">{escape(tn("history.more_models", len(models) - MODELS_SHOWN))}</span>'
        )
    return "".join(pieces)


def job_detail(detail: str) -> str:
    """How far a job is and its losses, or why it failed, in the reader's language: it is stored in English."""
    words = [_job_words(piece) for piece in detail.split(", ")]
    return ", ".join(filter(None, words)) if all(words) else said(detail)


def _job_words(piece: str) -> str:
    if found := _PROGRESS.fullmatch(piece):
        return t(f"history.progress_{found[3]}", done=f"{int(found[1]):,}", total=f"{int(found[2]):,}")
    found = _LOSS.fullmatch(piece)
    return t(f"history.{found[1].replace(' ', '_')}", value=found[2]) if found else ""


def state_of_run(state: str) -> str:
    """A run's state as a chip."""
    live = " mlc-live" if state in ("queued", "running") else ""
    words = escape(t(f"status.{state}") if state in STATES else state)
    tone = _TONES.get(state, UNKNOWN).css
    return f'<span class="mlc-chip{live}" style="--tone:{tone}" data-run-state="{escape(state)}">{words}</span>'


def tag_chips(tags: Iterable[str]) -> str:
    return "".join(note_chip(f"# {tag}", t("history.tag"), STATE_TONES["prefill"]) for tag in tags)


def _origin_chip(origin: str) -> str:
    words = t(f"history.origin_{origin}") if f"history.origin_{origin}" in texts(current_language()) else origin
    return note_chip(words, t("history.origin_why"), STATE_TONES["queued"])
