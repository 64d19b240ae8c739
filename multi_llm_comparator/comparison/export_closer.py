"""What an exported page shows of answers beside their text: how they differ from each other, and their tokens.

A page needs no script: whoever reads it opens the differences from the pane that interests them, and a token's
alternatives show while the pointer is on it or it has the focus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from multi_llm_comparator.comparison.differences import Fold, Piece, folded, word_differences
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.comparison.token_paths import is_unsure, share, steps_of

# Of one page, so that it opens anywhere: characters that are compared, and tokens that are shown.
MAX_COMPARED_CHARS = 2_000_000
MAX_PAIR_CHARS = 100_000
MAX_TOKENS = 20_000
SHADES = 9
# In nats: a token of this surprise or more has the strongest colour (less than one in a hundred).
STRONGEST_NATS = 5.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One pane's answer against that of the reference; no pieces where they are equal. ``place`` counts from 1."""

    place: int
    name: str
    pieces: tuple[Piece | Fold, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """What all others say otherwise than this pane; ``is_chosen`` where a reader chose it."""

    place: int
    name: str
    is_chosen: bool
    others: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """``shade`` from 0, a matter of course, to ``SHADES``; ``others`` are what else might have stood there."""

    text: str
    shade: int
    share: float
    is_unsure: bool
    others: tuple[tuple[str, float], ...]


@dataclass
class Room:
    """What a page still has room for. ``is_full`` once something was left out."""

    chars: int = MAX_COMPARED_CHARS
    tokens: int = MAX_TOKENS
    is_full: bool = field(default=False)

    def take_pair(self, chars: int) -> bool:
        return self._take("chars", chars) if chars <= MAX_PAIR_CHARS else self._refuse()

    def take_tokens(self, tokens: int) -> bool:
        return self._take("tokens", tokens)

    def _take(self, what: str, number: int) -> bool:
        left = getattr(self, what) - number
        if left < 0:
            return self._refuse()
        setattr(self, what, left)
        return True

    def _refuse(self) -> bool:
        self.is_full = True
        return False


def references_of(
    answers: Sequence[AnswerSnapshot], names: Sequence[str], chosen: str | None, room: Room
) -> tuple[Reference, ...]:
    """For each answer with text how the others differ from it; the chosen one's first."""
    told = [(place, name, one) for place, (one, name) in enumerate(zip(answers, names, strict=True), 1) if one.text]
    found = []
    for place, name, one in sorted(told, key=lambda entry: (entry[2].pane_id != chosen, entry[0])):
        others = tuple(
            Difference(at, other_name, _pieces(one.text, other.text))
            for at, other_name, other in told
            if other is not one and room.take_pair(len(one.text) + len(other.text))
        )
        if others:
            found.append(Reference(place, name, one.pane_id == chosen, others))
    return tuple(found)


def _pieces(reference: str, text: str) -> tuple[Piece | Fold, ...]:
    return () if reference == text else tuple(folded(word_differences(reference, text)))


def tokens_of(answer: AnswerSnapshot, room: Room) -> tuple[Token, ...]:
    """The answer's own tokens, where they were kept."""
    steps = steps_of(answer)
    if not steps or not room.take_tokens(len(steps)):
        return ()
    return tuple(
        Token(
            piece.text,
            min(SHADES, math.ceil(SHADES * max(0.0, -piece.logprob) / STRONGEST_NATS - 0.5)),
            share(piece.logprob),
            is_unsure(piece),
            tuple((one.text, share(one.logprob)) for one in piece.top),
        )
        for piece in (step.piece for step in steps)
    )
