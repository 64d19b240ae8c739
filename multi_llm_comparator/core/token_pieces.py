"""The tokens of an answer with what the model thought of them, on request (``ModelConfig.top_logprobs``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError

# Said of a token that the model gives no chance at all, as OpenAI's API does: JSON has no infinity.
NO_CHANCE = -9999.0


@dataclass(frozen=True, slots=True)
class TokenChance:
    """A token that could stand at a place, and its log-probability there in nats."""

    id: int
    text: str
    logprob: float
    bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenPiece:
    """One token of an answer.

    Log-probabilities are in nats and of the model's own distribution, before biases, penalties, constraints,
    temperature and whatever else leaves tokens out: what scoring the finished text gives (teacher forcing). A remote
    endpoint's are its own.

    Attributes:
        id: in the model's vocabulary; -1 where an endpoint does not tell.
        text: of this token alone; a character that takes several tokens is U+FFFD in each. Of a control token its name.
        bytes: what it stands for in UTF-8, perhaps a part of a character; none of a control token.
        top: the likeliest tokens at its place, the likeliest first; as many as were asked for.
    """

    id: int
    text: str
    bytes: tuple[int, ...]
    logprob: float
    top: tuple[TokenChance, ...] = ()


def piece_to_list(piece: TokenPiece) -> list[Any]:
    """Short plain data: bytes only where the text does not tell them."""
    top = [[chance.id, chance.text, _rounded(chance.logprob), _odd(chance)] for chance in piece.top]
    return [piece.id, piece.text, _rounded(piece.logprob), _odd(piece), top]


def piece_from_list(data: Any) -> TokenPiece:
    """Read what :func:`piece_to_list` writes.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        id, text, logprob, odd, top = data
        chances = tuple(TokenChance(int(i), str(t), float(p), _bytes(str(t), o)) for i, t, p, o in top)
        return TokenPiece(int(id), str(text), _bytes(str(text), odd), float(logprob), chances)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"this is no piece of an answer: {str(exc)[:200]}") from None


def _rounded(logprob: float) -> float:
    """To a millionth, which is less than what float32 tells."""
    return max(round(logprob, 6), NO_CHANCE)


def _odd(part: TokenChance | TokenPiece) -> list[int] | None:
    """Its bytes, where they are not those of its text."""
    return None if part.bytes == tuple(_encoded(part.text)) else list(part.bytes)


def _bytes(text: str, odd: Sequence[int] | None) -> tuple[int, ...]:
    if odd is None:
        return tuple(_encoded(text))
    if any(not 0 <= byte < 256 for byte in odd):
        raise ValueError(f"{odd!r} are no bytes")
    return tuple(int(byte) for byte in odd)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
