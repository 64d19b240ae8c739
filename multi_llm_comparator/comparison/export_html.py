"""A run as one HTML file that loads nothing and runs nothing: it can be mailed, kept and opened anywhere.

Whatever models and users wrote is escaped: Markdown is rendered with HTML switched off, without images, and with links
only to the web. A content security policy in the page forbids scripts and every request besides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

from multi_llm_comparator.comparison.export_chart import Bar, bars_of
from multi_llm_comparator.comparison.export_closer import SHADES, Reference, Room, Token, references_of, tokens_of
from multi_llm_comparator.comparison.fairness import Setting, labels, settings_of_answers
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.comparison.words import (
    FIGURE_NAMES,
    WORDS,
    figure_cells,
    repeat_lines,
    state_words,
    turn_title,
)
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import Language, iso_time
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.runs.exporting import html_page

# Markdown takes time to render; a longer text is shown as it is.
_MAX_RENDERED_CHARS = 200_000
_THOUGHTS = re.compile(r"<think>(.*?)(?:</think>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of an answer, rendered."""

    is_thought: bool
    html: Markup


@dataclass(frozen=True, slots=True)
class Card:
    """One answer as the page shows it."""

    answer: AnswerSnapshot
    name: str
    is_chosen: bool
    pieces: tuple[Piece, ...]
    parameters: str
    state: str
    repeats: tuple[str, ...]
    tokens: tuple[Token, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One turn as the page shows it."""

    title: str
    prompt: str
    images: tuple[StoredImage, ...]
    models: tuple[str, ...]
    differences: tuple[Setting, ...]
    cards: tuple[Card, ...]
    references: tuple[Reference, ...]
    earlier: tuple[Card, ...]
    bars: tuple[Bar, ...]
    rows: tuple[tuple[str, list[str]], ...]


def export_html(snapshot: ComparisonSnapshot, language: Language) -> str:
    """The whole run as a page."""
    words, room = WORDS[language], Room()
    return html_page(
        __file__,
        language,
        run=snapshot,
        words=words,
        created=iso_time(snapshot.created_at),
        exported=iso_time(now()),
        sections=[_section(snapshot, turn, language, room) for turn in snapshot.turns],
        figure_names=[words[name] for name in FIGURE_NAMES],
        shades=SHADES,
        is_full=room.is_full,
    )


@cache
def _markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "breaks": True})
    reader.enable("table").enable("strikethrough").disable("image")
    reader.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]
    return reader


def render(text: str) -> Markup:
    """Markdown to HTML that can do nothing but be read."""
    if len(text) > _MAX_RENDERED_CHARS:
        return Markup("<pre>{}</pre>").format(text)
    return Markup(_markdown().render(text))


def _pieces(text: str, own_thought: str = "") -> Iterator[Piece]:
    """Thoughts and speech; runs of earlier versions have their thoughts in the text."""
    if own_thought.strip():
        yield Piece(True, render(own_thought))
    end = 0
    for thought in _THOUGHTS.finditer(text):
        if before := text[end : thought.start()].strip():
            yield Piece(False, render(before))
        yield Piece(True, render(thought[1].strip()))
        end = thought.end()
    if rest := text[end:].strip():
        yield Piece(False, render(rest))


def _section(snapshot: ComparisonSnapshot, turn: TurnSnapshot, language: Language, room: Room) -> Section:
    marks_chosen = snapshot.shared_thread or turn.is_picked
    shown = list(turn.answers.values())
    every = [answer for attempts in turn.attempts.values() for answer in attempts]
    names = labels(shown)
    return Section(
        title=turn_title(turn.index, language),
        prompt=turn.prompt,
        images=snapshot.images_of(turn),
        models=tuple(answer.model_name for answer in shown),
        differences=tuple(settings_of_answers(shown)) if len(shown) > 1 else (),
        cards=tuple(_card(a, name, turn, marks_chosen, language, room) for a, name in zip(shown, names, strict=True)),
        references=references_of(shown, names, turn.chosen if marks_chosen else None, room),
        earlier=tuple(
            _card(answer, answer.model_name, turn, marks_chosen, language, room)
            for answer in every
            if turn.answers[answer.pane_id] is not answer
        ),
        bars=bars_of(shown, names),
        rows=tuple(
            (f"{name} · {a.attempt}/{a.attempts}", figure_cells(a.figures))
            for a, name in zip(every, labels(every), strict=True)
        ),
    )


def _card(
    answer: AnswerSnapshot, name: str, turn: TurnSnapshot, marks_chosen: bool, language: Language, room: Room
) -> Card:
    is_shown = turn.answers[answer.pane_id] is answer
    return Card(
        answer=answer,
        name=name,
        is_chosen=marks_chosen and turn.goes_on_from(answer),
        pieces=tuple(_pieces(answer.text, answer.thought)),
        parameters=json.dumps(answer.config.to_dict(), ensure_ascii=False, indent=2),
        state=state_words(answer, language),
        repeats=tuple(repeat_lines(answer, turn.attempts[answer.pane_id], language)) if is_shown else (),
        tokens=tokens_of(answer, room) if is_shown else (),
    )
