"""A session of votes as one HTML page that loads nothing and runs nothing; what people and models wrote is escaped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

from multi_llm_comparator.comparison.differences import Piece, word_differences
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import Language, cut, iso_time
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.runs.exporting import html_page
from multi_llm_comparator.voting.export_markdown import RANKING_NAMES, ranking_rows
from multi_llm_comparator.voting.ranking import Ranking, points
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import text_parameters
from multi_llm_comparator.voting.tally import Tally, tally
from multi_llm_comparator.voting.turns import VoteAnswer, VoteTurn
from multi_llm_comparator.voting.words import choice_words, notes, say, verdict_lines

MAX_TURNS = 1000
MAX_SHOWN_CHARS, MAX_DIFF_CHARS = 20_000, 60_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A contestant's points and interval; an end that is not known reaches the edge. From 0 to 100."""

    name: str
    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Card:
    """One answer as the page shows it; ``pieces`` are how it differs from the first, none for the first itself."""

    name: str
    answer: VoteAnswer
    is_best: bool
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One vote as the page shows it."""

    title: str
    prompt: str
    verdict: str
    cards: tuple[Card, ...]
    images: tuple[StoredImage, ...]


def to_html(snapshot: VotingSnapshot, language: Language) -> str:
    """The ranking, then all votes with their answers and how these differ."""
    found = tally([snapshot])
    ranking = found.ranked()
    bars, ticks = scale(found, ranking)
    return html_page(
        __file__,
        language,
        run=snapshot,
        t=lambda key, **values: say(language, key, **values),
        created=iso_time(snapshot.created_at),
        exported=iso_time(now()),
        notes=notes(found, ranking, language),
        verdicts=verdict_lines(found, ranking, language),
        heading=[say(language, name) for name in RANKING_NAMES],
        rows=ranking_rows(found, ranking, language),
        bars=bars,
        ticks=ticks,
        sections=[_section(snapshot, turn, language) for turn in snapshot.voted[:MAX_TURNS]],
        left_out=max(0, len(snapshot.voted) - MAX_TURNS),
        contestants=[
            (one, snapshot.facts.get(one.id), json.dumps(dict(text_parameters(one.config)), indent=1, default=str))
            for one in snapshot.spec.contestants
        ],
        cut=partial(cut, most=MAX_SHOWN_CHARS),
    )


def scale(found: Tally, ranking: Ranking) -> tuple[list[Bar], list[tuple[float, str]]]:
    """The bars of a ranking, and the ticks of their axis: place and label."""
    if not ranking.standings:
        return [], []
    known = [value for one in ranking.standings for value in (points(one.low), points(one.high))]
    low, high = min(known) - 25, max(known) + 25

    def place(value: float) -> float:
        return 100 * (value - low) / (high - low)

    step = next((step for step in (25, 50, 100, 200, 400, 800) if (high - low) / step <= 8), 1600)
    first = int(-(-low // step)) * step
    ticks = [(place(value), str(value)) for value in range(first, int(high) + 1, step)]
    bars = [
        Bar(
            found.labels[one.id],
            place(one.points),
            0.0 if one.is_open_below else place(points(one.low)),
            100.0 if one.is_open_above else place(points(one.high)),
        )
        for one in ranking.standings
    ]
    return bars, ticks


def _section(snapshot: VotingSnapshot, turn: VoteTurn, language: Language) -> Section:
    names = {one.id: one.name for one in snapshot.spec.contestants}
    best = turn.best
    first = turn.answers[0].text
    cards = [
        Card(names[answer.contestant], answer, answer is best, _difference(first, answer.text) if place else ())
        for place, answer in enumerate(turn.answers)
    ]
    return Section(
        title=say(language, "turn", n=turn.number + 1),
        prompt=snapshot.spec.prompts[turn.prompt].text,
        verdict=choice_words(turn, names[best.contestant] if best else "", language),
        cards=tuple(cards),
        images=snapshot.images_of(turn),
    )


def _difference(one: str, other: str) -> tuple[Piece, ...]:
    """Nothing where they are the same, or so long that a page of it would be of no use."""
    if one == other or max(len(one), len(other)) > MAX_DIFF_CHARS:
        return ()
    return word_differences(one, other)
