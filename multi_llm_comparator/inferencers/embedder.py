"""Embedding in a model process: waiting texts, read in batches of alike length, a bounded number of tokens a step."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.embeddings import EmbedRequest, EmbedResult, vector
from multi_llm_comparator.core.events import Embedded, Event, Failed, Finished
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    MultiLLMError,
    RequestRefusedError,
)
from multi_llm_comparator.inferencers.base import NO_NUMBERS, as_request_error
from multi_llm_comparator.inferencers.request_queue import too_many

Vectors = NDArray[np.float32]
MAX_WAITING = 1024
_OTHERS = (
    "they are of another one (OpenAI's, perhaps); send text (LangChain: check_embedding_ctx_length=False), or ids that "
    "this model's tokenizer made"
)

_log = logging.getLogger(__name__)


class EmbedBackend(Protocol):
    """The model, as embedding needs it."""

    # Tokens of one step, and texts in it.
    step_tokens: int
    max_rows: int
    n_ctx: int
    # Which states become the vector, for people.
    how: str

    def tokens_of(self, text: str) -> list[int]:
        """Tokens of a whole text, with the marks that the model expects."""

    def text_of(self, tokens: list[int]) -> str:
        """The text of tokens, without marks.

        Raises:
            RequestRefusedError: there is no such token.
        """

    def embed(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """A vector for each row, of shape (rows, width), of any length."""

    def as_error(self, exc: Exception) -> MultiLLMError:
        """What a failed computation is to those who wait for it."""

    def close(self) -> None:
        """Free what it holds."""


@dataclass(eq=False)
class _Work:
    request: EmbedRequest
    rows: list[list[int]]
    vectors: list[NDArray[np.float32] | None] = field(default_factory=list)


class Embedder:
    """Embeds for many requests. Not thread-safe: the loop of one model process owns it."""

    def __init__(self, backend: EmbedBackend) -> None:
        self._backend = backend
        self._waiting: list[EmbedRequest] = []
        self._at_work: list[_Work] = []
        self._events: list[Event] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._waiting or self._at_work or self._events)

    def submit(self, request: EmbedRequest) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._events.append(too_many(request.id, MAX_WAITING))
        else:
            self._waiting.append(request)

    def cancel(self, request_id: str) -> None:
        known = [one.id for one in self._waiting] + [one.request.id for one in self._at_work]
        if request_id in known:
            self._drop(request_id)
            self._events.append(Finished.cancelled(request_id))

    def step(self) -> list[Event]:
        """One batch: the longest text that waits, and others of its length."""
        for request in self._waiting:
            self._begin(request)
        self._waiting.clear()
        if chosen := self._batch():
            try:
                found = self._backend.embed([work.rows[row] for work, row in chosen])
                for (work, row), values in zip(chosen, found, strict=True):
                    work.vectors[row] = values
            except Exception as exc:
                # Past here it would end the process, and with it the answers to everybody else.
                _log.error("embedding %d texts failed", len(chosen), exc_info=exc)
                for request_id in {work.request.id for work, _ in chosen}:
                    self._drop(request_id)
                    self._events.append(Failed.of(request_id, self._backend.as_error(exc)))
        for work in [one for one in self._at_work if all(found is not None for found in one.vectors)]:
            self._end(work)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        self._backend.close()

    def _begin(self, request: EmbedRequest) -> None:
        try:
            rows = [self._tokens(text) for text in request.texts]
        except Exception as exc:
            self._events.append(Failed.of(request.id, as_request_error(exc)))
            return
        self._at_work.append(_Work(request, rows, [None] * len(rows)))

    def _tokens(self, text: str | Sequence[int]) -> list[int]:
        tokens = self._backend.tokens_of(text) if isinstance(text, str) else self._own(list(text))
        if len(tokens) > self._backend.n_ctx:
            raise ContextOverflowError(
                f"a text has {len(tokens)} tokens and the context holds {self._backend.n_ctx}; shorten it, or load the "
                "model with a larger n_ctx"
            )
        return tokens

    def _own(self, tokens: list[int]) -> list[int]:
        """Ids as they are, if they are this model's.

        Some clients (LangChain) send those of OpenAI's tokenizer to whoever it is. Read as this model's they are a text
        that nobody meant, which this model's tokenizer would hardly write in the same way.
        """
        again = self._backend.tokens_of(self._backend.text_of(tokens))
        if not _is_within(tokens, again):
            raise RequestRefusedError(f"these ids of tokens are not what this model's tokenizer writes: {_OTHERS}")
        return tokens

    def _batch(self) -> list[tuple[_Work, int]]:
        """Longest first, so that rows of a batch are alike and little is padded."""
        open_rows = [(work, row) for work in self._at_work for row, found in enumerate(work.vectors) if found is None]
        open_rows.sort(key=lambda one: -len(one[0].rows[one[1]]))
        if not open_rows:
            return []
        longest = len(open_rows[0][0].rows[open_rows[0][1]])
        most = max(1, min(self._backend.max_rows, self._backend.step_tokens // max(1, longest)))
        return open_rows[:most]

    def _end(self, work: _Work) -> None:
        self._at_work.remove(work)
        vectors = [one for one in work.vectors if one is not None]
        if not all(np.isfinite(one).all() and np.any(one) for one in vectors):
            self._events.append(
                Failed.of(work.request.id, InferenceError(f"{NO_NUMBERS}; load it in another precision"))
            )
            return
        result = EmbedResult(
            vectors=tuple(vector((one / np.linalg.norm(one)).tolist()) for one in vectors),
            tokens=tuple(map(len, work.rows)),
            how=self._backend.how,
        )
        self._events.append(Embedded(request_id=work.request.id, result=result.to_dict()))

    def _drop(self, request_id: str) -> None:
        self._waiting = [one for one in self._waiting if one.id != request_id]
        self._at_work = [one for one in self._at_work if one.request.id != request_id]


def _is_within(tokens: list[int], again: list[int]) -> bool:
    """Whether both are the same but for marks at the ends."""
    most = 2
    return any(
        again[first : len(again) - last] == tokens or tokens[first : len(tokens) - last] == again
        for first in range(most)
        for last in range(most)
    )


def checked_ids(rows: Iterable[Sequence[int]], n_vocab: int) -> None:
    """Raises RequestRefusedError: an id that no token has, which would read beyond the table of tokens."""
    for row in rows:
        if (wrong := next((one for one in row if not 0 <= one < n_vocab), None)) is not None:
            raise RequestRefusedError(f"there is no token {wrong}: this model has {n_vocab}: {_OTHERS}")
