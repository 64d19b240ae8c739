"""Scoring in a model process: which tokens are read next, so that what requests have in common is read once.

Requests wait in a line. The longest beginning that pays for itself among those that wait (the few-shot examples of a
subject, say) is read first and kept; then the requests that begin like it are read behind it, many in one batch, and
the texts that they compare behind those. Kept beginnings are keyed by their tokens and bounded in tokens.

One :meth:`Scorer.step` is a bounded amount of work, so that answers being written by the same model, and requests to
stop, do not wait long.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from multi_llm_comparator.core.events import Event, Failed, Finished, Scored
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.base import NO_NUMBERS, as_request_error
from multi_llm_comparator.inferencers.request_queue import too_many
from multi_llm_comparator.inferencers.score_lines import Lines, ScoreTally
from multi_llm_comparator.inferencers.score_plan import Held, Reading, Row, best_prefix, together
from multi_llm_comparator.inferencers.score_tokens import ScoreTokenizer, encode

MAX_WAITING = 1024
# Tokenising takes time too: so many requests a step.
ENCODED_A_STEP = 64
MAX_HELD = 4
# A text that is alone is kept if so many of its tokens must be read.
KEPT_FROM = 64
# Logits of one step take at most so much memory.
LOGITS_BYTES = 96 * 2**20
ONE_BY_ONE = "Slower than it could be: this kind of model is scored one text at a time, each from its beginning."

_log = logging.getLogger(__name__)


class ScoreBackend(Protocol):
    """The model, as scoring needs it. ``state`` of a :class:`Held` is the backend's own."""

    n_vocab: int
    # Choices that are less apart could change with the size of a batch (core.scores.TIE_NATS).
    tie_nats: float
    # Tokens of one step, when nothing else is computed, and when answers are being written beside it.
    step_tokens: int
    shared_step_tokens: int
    max_rows: int
    held_tokens: int
    # Whether beginnings can be kept and rows batched. Else everything goes through `alone`.
    can_share: bool

    def as_error(self, exc: Exception) -> MultiLLMError:
        """What a failed computation is to those who wait for it."""

    def copy(self, held: Held | None, length: int) -> Held:
        """A beginning of its own to be read on: the first ``length`` tokens of ``held``."""

    def grow(self, held: Held, tokens: Sequence[int], n_logits: int) -> Lines | None:
        """Read ``tokens`` behind it; logits of the last ``n_logits`` of them. ``held.tokens`` is the caller's."""

    def forget(self, held: Held) -> None:
        """Free what it holds."""

    def batch(self, held: Held | None, length: int, rows: Sequence[Row]) -> list[list[Lines]]:
        """For each row, for each of its tails, the logits that its tokens are drawn from. Rows begin with the first
        ``length`` tokens of ``held``."""

    def alone(self, tokens: Sequence[int], n_logits: int) -> Lines:
        """Read a whole text; logits of the last ``n_logits`` tokens."""

    def close(self) -> None:
        """Free all memory."""


@dataclass(eq=False, slots=True)
class Query:
    """One request that is being scored."""

    request: ScoreRequest
    tallies: list[ScoreTally]
    prefix_tokens: int
    truncated_tokens: int
    notes: tuple[str, ...]
    prompt: str = ""
    open_rows: int = 0
    cached_tokens: int | None = None


@dataclass(eq=False)
class Scorer:
    """Scores for many requests; one loop owns it.

    Args:
        backend: the model.
        tokenizer: its tokenizer.
        n_ctx: tokens of one request.
    """

    backend: ScoreBackend
    tokenizer: ScoreTokenizer
    n_ctx: int
    _waiting: list[ScoreRequest] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _held: list[Held] = field(default_factory=list)
    _reading: Reading | None = None
    _events: list[Event] = field(default_factory=list)
    _clock: int = 0

    @property
    def is_busy(self) -> bool:
        """Whether :meth:`step` has work to do."""
        return bool(self._waiting or self._rows or self._reading or self._events)

    def submit(self, request: ScoreRequest) -> None:
        """Take on a request; its result comes from :meth:`step`. A bad one fails there."""
        if len(self._waiting) + len({row.query for row in self._rows}) >= MAX_WAITING:
            self._events.append(too_many(request.id, MAX_WAITING))
        else:
            self._waiting.append(request)

    def cancel(self, request_id: str) -> None:
        """End a request before the next step; unknown ids are ignored."""
        known = [request for request in self._waiting if request.id == request_id]
        self._waiting = [request for request in self._waiting if request.id != request_id]
        rows = [row for row in self._rows if row.query.request.id == request_id]
        if known or rows:
            self._drop(request_id)
            self._events.append(Finished.cancelled(request_id))

    def step(self, *, is_shared: bool) -> list[Event]:
        """Do a bounded amount of work and return what happened; ``is_shared``: others of this model wait meanwhile."""
        for request in self._waiting[:ENCODED_A_STEP]:
            self._encode(request)
        del self._waiting[:ENCODED_A_STEP]
        budget = self.backend.shared_step_tokens if is_shared else self.backend.step_tokens
        if self._rows or self._reading:
            self._work(budget)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Free all memory."""
        self._rows.clear()
        self._waiting.clear()
        self._held.clear()
        self.backend.close()

    def _encode(self, request: ScoreRequest) -> None:
        try:
            encoded = encode(request, self.tokenizer, self.n_ctx, self.backend.n_vocab)
        except Exception as exc:
            # Past here it would end the process, and with it the answers to everybody else.
            self._events.append(Failed.of(request.id, as_request_error(exc)))
            return
        notes = encoded.notes if self.backend.can_share else (*encoded.notes, ONE_BY_ONE)
        tallies = [ScoreTally(request) for _ in request.continuations]
        query = Query(request, tallies, encoded.prefix_tokens, encoded.truncated_tokens, notes, encoded.prompt)
        for piece in encoded.pieces:
            # A tail too long for a batch is read in stretches, by itself.
            apart = not self.backend.can_share or sum(len(tail) - 1 for tail in piece.tails) > self._tail_bound
            groups = [[i] for i in range(len(piece.tails))] if apart else [list(range(len(piece.tails)))]
            for group in groups:
                tails, numbers = [piece.tails[i] for i in group], [piece.numbers[i] for i in group]
                self._rows.append(Row(query, piece.context, tails, numbers))
                query.open_rows += 1

    @property
    def _tail_bound(self) -> int:
        """How many tokens of tails a row may have in a batch."""
        return min(self.backend.shared_step_tokens // 2, self._lines_bound - 1)

    @property
    def _lines_bound(self) -> int:
        """Of how many places the logits fit into memory at once."""
        return max(2, LOGITS_BYTES // (4 * self.backend.n_vocab))

    def _work(self, budget: int) -> None:
        involved: list[Row] = []
        try:
            if self._reading is not None:
                involved = [self._reading.row] if self._reading.row else self._rows[:1]
                self._read_on(self._reading, budget)
            elif not self.backend.can_share:
                involved = self._rows[:1]
                self._score_alone(self._rows[0])
            else:
                involved = self._rows[:1]
                self._next(budget)
        except Exception as exc:
            _log.error("scoring %d texts failed", len(involved), exc_info=exc)
            error = self.backend.as_error(exc)
            self._forget_all()
            for query in {row.query for row in involved}:
                self._drop(query.request.id)
                self._events.append(Failed.of(query.request.id, error))

    def _next(self, budget: int) -> None:
        """Begin with the oldest row: read what it shares with others, or score it with those."""
        oldest = self._rows[0]
        held, known, length = best_prefix(oldest, self._rows, self._held)
        if sum(len(tail) - 1 for tail in oldest.tails) > self._tail_bound:
            self._reading = Reading(self.backend.copy(held, known), oldest.context + oldest.tails[0][:-1], oldest)
            self._touch(held)
            return
        if len(oldest.context) - length > budget // 2:
            # It has been read this far already if it was the oldest before: what many share does not push it out again.
            length = len(oldest.context) - 1
        if len(self._rows) == 1 and len(oldest.context) - length > KEPT_FROM:
            # Those that come a moment later often begin like it; keeping it costs a step of one token.
            length = len(oldest.context) - 1
        if length > known:
            self._make_room(length)
            self._reading = Reading(
                self.backend.copy(held if held in self._held else None, known), oldest.context[:length]
            )
            return
        rows = together(oldest, self._rows, length, budget, self.backend.max_rows, self._lines_bound)
        self._touch(held)
        lines = self.backend.batch(held, length, rows)
        for row, tails in zip(rows, lines, strict=True):
            self._take(row, tails, length)

    def _read_on(self, reading: Reading, budget: int) -> None:
        held, row = reading.held, reading.row
        budget = min(budget, self._lines_bound)
        tokens = reading.tokens[len(held.tokens) : len(held.tokens) + budget]
        end = len(held.tokens) + len(tokens)
        first = len(row.context) - 1 if row else end
        lines = self.backend.grow(held, tokens, max(0, end - max(first, len(held.tokens))))
        held.tokens = reading.tokens[:end]
        if row is not None and lines is not None:
            row.add(lines)
        if end < len(reading.tokens):
            return
        self._reading = None
        if row is None:
            self._held.append(held)
            self._touch(held)
        else:
            self.backend.forget(held)
            self._take(row, None, 0)

    def _score_alone(self, row: Row) -> None:
        tail = row.tails[0]
        row.add(self.backend.alone(row.context + tail[:-1], len(tail)))
        self._take(row, None, 0)

    def _take(self, row: Row, lines: list[Lines] | None, cached: int) -> None:
        """A row is computed: when it was its request's last, the request has its result."""
        query = row.query
        self._rows.remove(row)
        row.count(lines)
        query.open_rows -= 1
        query.cached_tokens = cached if query.cached_tokens is None else min(query.cached_tokens, cached)
        if query.open_rows:
            return
        scores = [tally.score() for tally in query.tallies]
        if any(score is None for score in scores):
            self._events.append(
                Failed.of(query.request.id, InferenceError(f"{NO_NUMBERS}; load it in another precision"))
            )
            return
        result = {
            "continuations": scores,
            "prefix_tokens": query.prefix_tokens,
            "cached_tokens": query.cached_tokens,
            "truncated_tokens": query.truncated_tokens,
            "how": "scored",
            "notes": list(query.notes),
            "tie_nats": self.backend.tie_nats,
            "prompt": query.prompt,
        }
        self._events.append(Scored(request_id=query.request.id, result=result))

    def _make_room(self, length: int) -> None:
        """Forget what was used longest ago, until there is room to keep ``length`` tokens."""
        while self._held and (
            len(self._held) >= MAX_HELD
            or sum(len(one.tokens) for one in self._held) + length > self.backend.held_tokens
        ):
            oldest = min(self._held, key=lambda one: one.used_at)
            self._held.remove(oldest)
            self.backend.forget(oldest)

    def _touch(self, held: Held | None) -> None:
        if held is not None:
            self._clock += 1
            held.used_at = self._clock

    def _forget_all(self) -> None:
        """After a failure nothing that was computed is used again."""
        for held in [*self._held, *([self._reading.held] if self._reading else [])]:
            self.backend.forget(held)
        self._held.clear()
        self._reading = None

    def _drop(self, request_id: str) -> None:
        self._rows = [row for row in self._rows if row.query.request.id != request_id]
        if self._reading and self._reading.row and self._reading.row not in self._rows:
            self.backend.forget(self._reading.held)
            self._reading = None
