"""What the tokens of answers tell: where two of them part, where the model was unsure, what comes before a token."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.token_pieces import TokenPiece

# A token with less than this share of the probability was no matter of course.
UNSURE_BELOW = 0.5


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One token of an answer: its piece, and the text of the answer before it, where that is whole characters."""

    piece: TokenPiece
    before: bytes


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two answers part: so many tokens are the same, then each has another one; None where it ends there."""

    same: int
    first: TokenPiece | None
    second: TokenPiece | None


def steps_of(answer: AnswerSnapshot) -> list[TokenStep]:
    """The tokens of an answer that were kept, in order, each with the text before it."""
    steps, done = [], b""
    for leg, pieces in zip(answer.legs, answer.pieces, strict=False):
        written = done
        for piece in pieces:
            steps.append(TokenStep(piece, written))
            written += bytes(piece.bytes)
        done += leg.text.encode("utf-8", "replace")
    return steps


def text_with(step: TokenStep, choice: int | None = None) -> str | None:
    """The answer up to a token, with another one of the likeliest in its place; None where that is no text: a control
    token, or a part of a character.

    Args:
        step: the token.
        choice: the place of the other one in ``top``; None for the token itself.
    """
    if choice is not None and not 0 <= choice < len(step.piece.top):
        return None
    chosen = step.piece if choice is None else step.piece.top[choice]
    if not chosen.bytes:
        return None
    try:
        return (step.before + bytes(chosen.bytes)).decode("utf-8")
    except UnicodeDecodeError:
        return None


def share(logprob: float) -> float:
    """A log-probability as a share between 0 and 1."""
    return min(1.0, math.exp(logprob))


def is_unsure(piece: TokenPiece) -> bool:
    """Whether another token might have stood here as well."""
    return share(piece.logprob) < UNSURE_BELOW


def parting(first: Sequence[TokenPiece], second: Sequence[TokenPiece]) -> Parting | None:
    """Where two answers of one tokenizer part; None where they are the same to the end.

    Two tokenizers may give one id to different texts, and one text different ids: a token is the same only where both
    are.
    """
    longest = max(len(first), len(second))
    for place in range(longest):
        one = first[place] if place < len(first) else None
        other = second[place] if place < len(second) else None
        if one is None or other is None or (one.id, one.text) != (other.id, other.text):
            return Parting(place, one, other)
    return None


def share_tokenizer(first: Sequence[TokenPiece], second: Sequence[TokenPiece]) -> bool:
    """Whether nothing speaks against one tokenizer: an id that both know stands for the same text in both.

    Ids of endpoints are unknown; their tokens are compared by text alone.
    """
    known = dict(_spelled(first))
    return all(known.get(id, text) == text for id, text in _spelled(second))


def _spelled(pieces: Sequence[TokenPiece]) -> Iterator[tuple[int, str]]:
    for piece in pieces:
        known = [(piece.id, piece.text), *((one.id, one.text) for one in piece.top)]
        yield from (pair for pair in known if pair[0] >= 0)
