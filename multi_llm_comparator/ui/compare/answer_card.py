"""One answer as a card: who answers, what it is doing, the text, the figures. Its buttons are in `answer_actions`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.comparison.turn_lanes import elapsed_s, phase_lengths
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.spread import Spread
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.ui.compare.difference_view import draw_differences
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.failures import failure
from multi_llm_comparator.ui.kit.html_pieces import (
    cut_chip,
    detail,
    figure,
    letter,
    letter_badge,
    model_title,
    note_chip,
    state_chip,
)
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.markdown import Segment, bounded, shortened, split_thinking, to_markdown
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone
from multi_llm_comparator.ui.kit.phases import PHASE_TONES
from multi_llm_comparator.ui.kit.said import said

TEXT_HEIGHT_PX = 480
MAX_SHOWN_CHARS = 40_000


@dataclass(frozen=True)
class Waiting:
    """A card in which no word stands yet: where its head is, and where the first words will be."""

    index: int
    tone: Tone
    told: str
    head: DeltaGenerator
    text: DeltaGenerator


@dataclass(frozen=True)
class Reference:
    """The answer that others are compared with, and its pane's letter."""

    letter: str
    text: str


def draw_head(answer: AnswerSnapshot, index: int, tone: Tone, told: str = "") -> DeltaGenerator:
    """Letter, model, state, remarks, and how the time was spent so far. ``tone`` is the pane's colour, ``told`` what
    tells it from other panes of its model."""
    return st.html(_head(answer, index, tone, told))


def _head(answer: AnswerSnapshot, index: int, tone: Tone, told: str) -> str:
    label = escape(t("read.open", letter=letter(index)))
    # A click is taken by reading.py: the letter opens the answer wide.
    opens = f'<button type="button" class="mlc-open" data-mlc-pane="{index + 1}" aria-label="{label}" title="{label}">'
    head = f"{opens}{letter_badge(index, tone)}</button>{model_title(answer.model_name)}{_state(answer)}"
    apart = f'<div class="mlc-told" title="{escape(told)}">{escape(told)}</div>' if told else ""
    return f'<div class="mlc-head">{head}</div>{apart}{_phases(answer, tone)}{_remarks(answer)}'


def _state(answer: AnswerSnapshot) -> str:
    if not answer.is_cut:
        return state_chip(answer.progress.state, _elapsed(answer))
    is_full = answer.legs[-1].tokens < answer.config.max_tokens
    why = t("state.cut_full_why" if is_full else "state.cut_why", limit=say.count(answer.config.max_tokens))
    return cut_chip(t("state.cut", tokens=say.count(answer.figures.tokens)), why)


def draw_text(answer: AnswerSnapshot, key: str, reference: Reference | None = None) -> DeltaGenerator | None:
    """The answer's text, or what is happening until there is some. It grows to a limit, then scrolls inside. With a
    reference, and once it is over, how it differs from that.

    Returns the place for the first words, where there are none yet.
    """
    progress = answer.progress
    with st.container(height=TEXT_HEIGHT_PX, border=False, key=f"text_{key}"):
        if progress.state == "failed":
            _draw_failure(progress)
        if reference is not None and answer.text and progress.is_over:
            draw_differences(answer.text, reference.text, reference.letter)
            return None
        if answer.thought:
            _draw_own_thought(answer, key)
        segments = _segments(answer)
        for position, segment in enumerate(segments):
            is_open = not progress.is_over and position == len(segments) - 1
            if segment.kind == "think":
                _draw_thought(segment, progress, f"{key}_{position}")
            else:
                for block in to_markdown(segment.text, is_open=is_open):
                    st.markdown(block, anchors=False)
        if segments or answer.thought or progress.state == "failed":
            return None
        place = st.empty()
        place.html(f'<div class="mlc-waiting">{escape(_waiting(progress))}</div>')
        return place


def draw_first_words(answer: AnswerSnapshot, waiting: Waiting) -> bool:
    """Fill the place that waits for the first words, and say so above it; False while there are none that can stand
    in it alone."""
    segments = _segments(answer)
    if len(segments) != 1 or segments[0].kind == "think" or answer.thought:
        return False
    waiting.text.markdown(to_markdown(segments[0].text, is_open=True)[0])
    waiting.head.html(_head(answer, waiting.index, waiting.tone, waiting.told))
    return True


def draw_figures(answer: AnswerSnapshot, repeats: Mapping[str, Spread] | None = None) -> None:
    """Speed, time to first token and tokens large; the rest small. Every number has its place before it is known.
    ``repeats`` are medians and intervals of several answers, which then stand there."""
    known, repeats = answer.figures, repeats or {}
    speed, ttft, tokens = (repeats.get(name) for name in ("tokens_per_second", "ttft_s", "tokens"))
    main = (
        figure(
            say.speed(speed.median if speed else known.tokens_per_second),
            t("figure.speed"),
            _why("figure.speed_why", speed),
            t("figure.speed_unit"),
            _interval(speed, say.speed) or _shared_with(known),
            warns=speed is None,
        ),
        figure(
            say.seconds(ttft.median if ttft else known.ttft_s),
            t("figure.ttft"),
            _why("figure.ttft_why", ttft),
            note=_interval(ttft, say.seconds) or _known_before(known),
        ),
        figure(
            say.count(round(tokens.median) if tokens else known.tokens),
            t("figure.tokens"),
            _why("figure.tokens_why", tokens),
            note=_interval(tokens, lambda value: say.count(round(value or 0)))
            or t("figure.limit", limit=say.count(answer.config.max_tokens)),
        ),
    )
    small = _small_figures(known, repeats)
    st.html(f'<div class="mlc-figures">{"".join(main)}<div class="mlc-details">{"".join(small)}</div></div>')


def _small_figures(known: Figures, repeats: Mapping[str, Spread]) -> Iterator[str]:
    """Where the time went before the answer, its price, and the memory."""

    def small(key: str, name: str, shown: Callable[[Any], str], why: str = "") -> str:
        spread, value = repeats.get(name), shown(getattr(known, name))
        if spread is not None:
            value = f"{shown(spread.median)} ({shown(spread.low)} – {shown(spread.high)})"
        return detail(t(f"figure.{key}", value=value), _explained(why or t(f"figure.{key}_why"), spread))

    yield small("queued", "queued_s", say.seconds)
    yield small("load", "load_s", say.seconds)
    yield small("prefill", "prefill_s", say.seconds, _prefill_why(known))
    if known.cost_usd:
        yield detail(t("figure.cost", value=say.dollars(known.cost_usd)), t("figure.cost_why"))
    yield small("memory", "memory_bytes", say.size)


def _why(key: str, spread: Spread | None) -> str:
    return _explained(t(key), spread)


def _explained(why: str, spread: Spread | None) -> str:
    """What a figure is; of several answers, what its interval is too."""
    if spread is None:
        return why
    kind = "figure.interval_why" if spread.is_interval else "figure.range_why"
    return f"{why} {t(kind, n=spread.n)}"


def _interval(spread: Spread | None, shown: Callable[[float | None], str]) -> str:
    if spread is None:
        return ""
    return t("figure.interval", n=spread.n, low=shown(spread.low), high=shown(spread.high))


def _shared_with(known: Figures) -> str:
    n = known.batched_with + len(known.contended_by)
    return tn("figure.shared", n) if n else ""


def _known_before(known: Figures) -> str:
    """How much of the prompt the model had read already: its first token then comes sooner."""
    if not known.cached_tokens:
        return ""
    return t("figure.cached", cached=say.count(known.cached_tokens), tokens=say.count(known.prompt_tokens))


def _prefill_why(known: Figures) -> str:
    return t("figure.prefill_why", tokens=say.count(known.prompt_tokens), cached=say.count(known.cached_tokens))


def _elapsed(answer: AnswerSnapshot) -> str:
    elapsed = elapsed_s(answer, now())
    return "" if elapsed is None else say.seconds(round(elapsed, 1))


def _phases(answer: AnswerSnapshot, tone: Tone) -> str:
    """A thin bar: waiting, loading, reading, writing, in the proportions they took so far."""
    pieces: list[str] = []
    taken = phase_lengths(answer, now())
    total = sum(taken.values())
    for phase, length in taken.items():
        if length > 0:
            css = PHASE_TONES.get(phase, tone).css
            label = escape(f"{t(f'phase.{phase}')}: {say.seconds(length)}")
            width = 100 * length / total
            pieces.append(f'<span class="mlc-{phase}" style="width:{width:.2f}%;--tone:{css}" title="{label}"></span>')
    return f'<div class="mlc-phases">{"".join(pieces)}</div>'


def _remarks(answer: AnswerSnapshot) -> str:
    """Chips for what a reader of the figures and of the text should know."""
    chips: list[str] = []
    progress = answer.progress
    if others := others_at_work(answer.figures):
        why = t("remark.contended_why", others=others)
        chips.append(note_chip(t("remark.contended"), why, STATE_TONES["loading"]))
    chips += _gateway_remarks(answer)
    if answer.figures.legs > 1:
        n = answer.figures.legs - 1
        chips.append(note_chip(tn("remark.continued", n), t("remark.continued_why"), STATE_TONES["queued"]))
    chips += [note_chip(_short(note), note, STATE_TONES["queued"]) for note in map(said, progress.notes)]
    return f'<div class="mlc-notes">{"".join(chips)}</div>' if chips else ""


def others_at_work(known: Figures) -> str:
    """With whom the device was shared; "" where it was not."""
    with_whom = [tn("remark.batched", known.batched_with)] if known.batched_with else []
    return ", ".join([*with_whom, *known.contended_by])


def _gateway_remarks(answer: AnswerSnapshot) -> list[str]:
    """Who answered for a group, and after how many attempts."""
    progress = answer.progress
    who = progress.answered_by
    chips: list[str] = []
    if who and who not in (answer.target, answer.model_name):
        chips.append(note_chip(t("remark.answered_by", model=who), t("remark.answered_by_why"), tone_of(who)))
    if progress.attempts > 1:
        why = t("remark.attempts_why", fallbacks=progress.fallbacks)
        chips.append(note_chip(t("remark.attempts", n=progress.attempts), why, STATE_TONES["loading"]))
    return chips


def _short(note: str) -> str:
    return note if len(note) <= 42 else note[:40].rstrip() + "…"


def _waiting(progress: AnswerProgress) -> str:
    match progress.state:
        case "queued" if progress.ahead:
            return tn("waiting.ahead", progress.ahead)
        case "prefill" if progress.read_tokens:
            read, whole = say.count(progress.read_tokens), say.count(progress.prompt_tokens)
            return t("waiting.prefill_read", read=read, tokens=whole)
        case "queued" | "loading" | "prefill" | "stopped":
            return t(f"waiting.{progress.state}")
        case _:
            return t("waiting.empty")


def _segments(answer: AnswerSnapshot) -> list[Segment]:
    """The answer's thoughts and speech; of all together as much as is drawn."""
    # Runs of earlier versions have their thoughts in the text.
    begins_inside = not answer.thought and answer.legs[0].prompt.rstrip().endswith("<think>")
    segments = split_thinking(answer.text, starts_thinking=begins_inside)
    return shortened(segments, MAX_SHOWN_CHARS, from_end=not answer.progress.is_over)


def _draw_thought(segment: Segment, progress: AnswerProgress, key: str) -> None:
    writing = segment.is_open and not progress.is_over
    since = progress.first_token_at
    if writing and since is not None:
        label = t("think.open", seconds=f"{max(0.0, now() - since):.0f}")
    else:
        label = t("think.cut") if segment.is_open else t("think.done")
    with st.expander(label, key=f"think_{key}", icon=":material/psychology:"):
        for block in to_markdown(segment.text, is_open=writing):
            st.markdown(block, anchors=False)


def _draw_own_thought(answer: AnswerSnapshot, key: str) -> None:
    """What the model thought before it answered, folded, with its own time, tokens and speed."""
    known, is_thinking = answer.figures, not answer.text and not answer.progress.is_over
    label = t(
        "think.open_measured" if is_thinking else "think.done_measured",
        seconds=say.seconds(known.thought_s),
        tokens=say.count(known.thought_tokens),
        speed=say.speed(known.thought_tokens_per_second),
    )
    with st.expander(label, key=f"think_{key}_own", icon=":material/psychology:"):
        for block in to_markdown(bounded(answer.thought, MAX_SHOWN_CHARS, from_end=is_thinking), is_open=is_thinking):
            st.markdown(block, anchors=False)


def _draw_failure(progress: AnswerProgress) -> None:
    st.html(failure(progress.error_type, progress.error or ""))
