"""Log-probabilities as OpenAI's two kinds of completion write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from multi_llm_comparator.core.token_pieces import TokenChance, TokenPiece


def chat_logprobs(pieces: Iterable[TokenPiece]) -> dict[str, Any]:
    """Of a chat completion: each token with its bytes and the likeliest beside it."""
    content = [{**_chance(piece), "top_logprobs": [_chance(one) for one in piece.top]} for piece in pieces]
    return {"content": content, "refusal": None}


def _chance(one: TokenChance | TokenPiece) -> dict[str, Any]:
    return {"token": one.text, "logprob": one.logprob, "bytes": list(one.bytes)}


class CompletionLogprobs:
    """Of a completion: lists side by side, with the place of each token in the text.

    The first token of a prompt has no log-probability: nothing is before it.

    Args:
        n_top: how many of the likeliest tokens are told.
    """

    def __init__(self, n_top: int) -> None:
        self._n_top = n_top
        self._at = 0

    def begun(self, text: str) -> dict[str, Any]:
        """The first token of a prompt."""
        place, self._at = self._at, self._at + len(text)
        return {"tokens": [text], "token_logprobs": [None], "top_logprobs": [None], "text_offset": [place]}

    def of(self, pieces: Iterable[TokenPiece]) -> dict[str, Any]:
        """The next tokens."""
        tokens, logprobs, tops, places = [], [], [], []
        for piece in pieces:
            tokens.append(piece.text)
            logprobs.append(piece.logprob)
            tops.append(self._top(piece))
            places.append(self._at)
            self._at += len(piece.text)
        return {"tokens": tokens, "token_logprobs": logprobs, "top_logprobs": tops, "text_offset": places}

    def _top(self, piece: TokenPiece) -> dict[str, float]:
        """By their texts; of several of one text the likeliest. The token itself is always among them."""
        found: dict[str, float] = {}
        for one in piece.top[: self._n_top]:
            found.setdefault(one.text, one.logprob)
        found.setdefault(piece.text, piece.logprob)
        return found


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Lists one behind the other."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}
