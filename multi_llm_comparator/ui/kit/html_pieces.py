"""Small pieces of HTML that several pages draw. Everything that comes from outside is escaped here."""

from __future__ import annotations

from html import escape

from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.core.timings import OVER, AnswerState
from multi_llm_comparator.ui.kit import figures
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts, tn
from multi_llm_comparator.ui.kit.markdown import bounded
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone
from multi_llm_comparator.ui.kit.said import said

MAX_PROBLEM_CHARS = 4000
# Of a model's name: a quantization, or what it was made from.
TAIL_CHARS = 14


def letter(index: int) -> str:
    """The sign of a pane: A, B, C, D."""
    return chr(ord("A") + index)


def letter_badge(index: int, tone: Tone) -> str:
    return f'<span class="mlc-letter" style="--tone:{tone.css}">{letter(index)}</span>'


def dot(tone: Tone) -> str:
    return f'<span class="mlc-dot" style="--tone:{tone.css}"></span>'


def model_label(name: str, tone: Tone) -> str:
    """A model's name behind its colour."""
    return f'<span class="mlc-nowrap">{dot(tone)}{escape(name)}</span>'


def model_title(name: str) -> str:
    """A model's name that is shortened in its middle where there is no room: quantizations of one differ at the end."""
    head, tail = escape(name[:-TAIL_CHARS]), escape(name[-TAIL_CHARS:])
    return f'<span class="mlc-name" title="{escape(name)}"><span>{head}</span><span>{tail}</span></span>'


def state_chip(state: AnswerState, elapsed: str = "") -> str:
    """What an answer is doing, in the state's colour; ``elapsed`` is how long it has."""
    live = "" if state in OVER else " mlc-live"
    text = escape(" ".join(filter(None, (t(f"state.{state}"), elapsed))))
    return f'<span class="mlc-chip{live}" style="--tone:{STATE_TONES[state].css}" data-state="{state}">{text}</span>'


def cut_chip(text: str, why: str) -> str:
    """In place of a state's chip: the answer is over, but not because its model ended it."""
    tone = STATE_TONES["loading"].css
    return f'<span class="mlc-chip" style="--tone:{tone}" data-state="done" title="{escape(why)}">{escape(text)}</span>'


def note_chip(text: str, why: str, tone: Tone) -> str:
    """A remark with its explanation, on hover and for those who tap or press Enter on it."""
    explained = f' title="{escape(why)}" tabindex="0"' if why else ""
    return f'<span class="mlc-chip mlc-plain" style="--tone:{tone.css}"{explained}>{escape(text)}</span>'


def figure(value: str, label: str, why: str, unit: str = "", note: str | None = None, *, warns: bool = False) -> str:
    """One number with its unit and name, and what a reader should know of it; ``why`` explains it on hover. A note
    that ``warns`` says that the number is not what it would be otherwise."""
    small = f" <small>{escape(unit)}</small>" if unit else ""
    kind = ' class="mlc-warns"' if warns else ""
    beneath = "" if note is None else f'<em{kind} title="{escape(note)}">{escape(note)}</em>'
    named = f"<b>{escape(value)}{small}</b><i>{escape(label)}</i>{beneath}"
    return f'<div class="mlc-figure" title="{escape(why)}">{named}</div>'


def detail(text: str, why: str) -> str:
    return f'<span title="{escape(why)}">{escape(text)}</span>'


def problem(title: str, text: str, advice: str = "") -> str:
    """What went wrong, in the colour of failure, and what helps. An endpoint may say it at any length."""
    tone, words = STATE_TONES["failed"].css, escape(bounded(said(text), MAX_PROBLEM_CHARS))
    helps = f"<p>{escape(advice)}</p>" if advice else ""
    return f'<div class="mlc-problem" style="--tone:{tone}" role="alert"><b>{escape(title)}</b>{words}{helps}</div>'


def facts(pairs: list[tuple[str, str]]) -> str:
    """A list of names and values."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="mlc-facts">{rows}</dl>'


def fact_name(name: str) -> str:
    """What a field of a model's headers is called; one that nobody foresaw keeps its own name."""
    key = f"fact.{name}"
    return t(key) if key in texts(current_language()) else name.replace("_", " ")


def table(head: list[str], rows: list[list[str]], *, words: tuple[int, ...] = ()) -> str:
    """A table of cells that are HTML already; columns of ``words`` may break their lines."""
    heads = "".join(f"<th>{escape(h)}</th>" for h in head)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="mlc-words">{c}</td>' if i in words else f"<td>{c}</td>" for i, c in enumerate(row))
        + "</tr>"
        for row in rows
    )
    whole = f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="mlc-wide" tabindex="0"><table class="mlc-grid">{whole}</table></div>'


def empty(title: str, text: str) -> str:
    """What a page is for, when there is nothing on it yet."""
    return f'<div class="mlc-empty"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>'


def moment(at: float, now: float, timezone: str | None) -> str:
    """How long ago, with the time of day on hover."""
    unit, n = figures.age(at, now)
    return (
        f'<span class="mlc-nowrap" title="{escape(figures.moment(at, timezone))}">{escape(tn(f"age.{unit}", n))}</span>'
    )


def thumbnail(image: StoredImage, *, opens: bool = False) -> str:
    """A small picture from the page itself: nothing is fetched. ``opens`` shows the larger one at a click."""
    alt = escape(image.name)
    small = f'<img class="mlc-thumbnail" src="{escape(image.thumbnail)}" alt="{alt}">'
    if not opens:
        return small
    large = f'<img src="{escape(image.url)}" alt="{alt}">'
    return f'<details class="mlc-asked"><summary title="{alt}">{small}</summary>{large}</details>'
