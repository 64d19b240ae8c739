"""One answer as its events leave it: text, state, and figures that come from the model process's own clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.events import (
    Attempted,
    CacheHit,
    Contended,
    Cost,
    Event,
    Failed,
    FellBack,
    Finished,
    FinishReason,
    Loaded,
    Loading,
    MemoryMeasured,
    Queued,
    Reading,
    Started,
    TextDelta,
    ThoughtDelta,
)

AnswerState = Literal["queued", "loading", "prefill", "running", "done", "stopped", "failed"]
OVER: frozenset[AnswerState] = frozenset({"done", "stopped", "failed"})


def known_sum(values: Iterable[float | None]) -> float | None:
    """The sum of the values that are known, in their unit; None when none is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


@dataclass
class AnswerProgress:
    """Folds the events of one request. All times are seconds since the epoch; None means not yet, or never.

    ``tokens`` are all that were generated, ``thought_tokens`` those of them that came before the answer's first word.
    """

    requested_at: float
    state: AnswerState = "queued"
    text: str = ""
    loading_at: float | None = None
    started_at: float | None = None
    first_token_at: float | None = None
    last_token_at: float | None = None
    ended_at: float | None = None
    load_s: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    read_tokens: int = 0
    tokens: int = 0
    memory_bytes: int | None = None
    prompt: str = ""
    seed: int | None = None
    notes: tuple[str, ...] = ()
    contended_by: tuple[str, ...] = ()
    batched_with: int = 0
    finish_reason: FinishReason | None = None
    error_type: str | None = None
    error: str | None = None
    ahead: int | None = None
    answered_by: str | None = None
    attempts: int = 0
    fallbacks: int = 0
    cache_age_s: float | None = None
    cost_usd: float | None = None
    thought: str = ""
    first_thought_at: float | None = None
    last_thought_at: float | None = None
    thought_tokens: int = 0

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        match event:
            case Queued(ahead=ahead):
                self.state, self.ahead = "queued", ahead
            case Loading(at=at):
                self.state, self.loading_at = "loading", at
            case Loaded(seconds=seconds, memory_bytes=memory, notes=notes):
                self.load_s, self.memory_bytes, self.notes = seconds, memory, notes
            case Started():
                self._start(event)
            case Reading(tokens=tokens):
                self.read_tokens = tokens
            case TextDelta():
                self._grow(event)
            case ThoughtDelta(text=text, tokens=tokens, at=at):
                self.state, self.thought = "running", self.thought + text
                self.first_thought_at, self.last_thought_at = self.first_thought_at or at, at
                self.tokens = self.thought_tokens = tokens
            case MemoryMeasured(memory_bytes=memory):
                self.memory_bytes = memory
            case Contended(others=others, batched=batched):
                self.contended_by = tuple(sorted({*self.contended_by, *others}))
                self.batched_with = max(self.batched_with, batched)
            case Finished(reason=reason, completion_tokens=tokens, at=at):
                self.state = "stopped" if reason == "cancelled" else "done"
                self.finish_reason, self.tokens, self.ended_at = reason, tokens, at
            case Failed(error_type=kind, message=message, at=at):
                self.state, self.error_type, self.error, self.ended_at = "failed", kind, message, at
            case _:
                self._note_gateway(event)

    def _note_gateway(self, event: Event) -> None:
        match event:
            case Attempted(model=model, number=number):
                self.answered_by, self.attempts, self.notes = model, number, ()
            case FellBack():
                self.fallbacks += 1
            case CacheHit(model=model, age_s=age_s):
                self.answered_by, self.cache_age_s = model, age_s
            case Cost(usd=usd, prompt_tokens=prompt_tokens):
                self.cost_usd, self.prompt_tokens = usd, prompt_tokens

    def _start(self, event: Started) -> None:
        self.state, self.started_at = "prefill", event.at
        self.prompt_tokens, self.cached_tokens = event.prompt_tokens, event.cached_tokens
        self.read_tokens = event.cached_tokens
        self.prompt, self.seed = event.prompt, event.seed
        # Those of the loaded model, which came before, and those of this answer may say the same.
        self.notes = tuple(dict.fromkeys((*self.notes, *event.notes)))

    def _grow(self, event: TextDelta) -> None:
        self.state = "running"
        self.first_token_at = self.first_token_at or event.at
        self.last_token_at, self.tokens = event.at, event.tokens
        self.text += event.text

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def queued_s(self) -> float | None:
        """From the request to the prompt being read, without the time that loading took."""
        if self.started_at is None:
            return None
        return max(0.0, self.started_at - self.requested_at - (self.load_s or 0.0))

    @property
    def prefill_s(self) -> float | None:
        """From the prompt being read to the first token, of a thought or of the answer."""
        return _span(self.started_at, self.first_thought_at or self.first_token_at)

    @property
    def thought_s(self) -> float | None:
        """How long the model thought: until the first token of its answer."""
        return _span(self.first_thought_at, self.first_token_at or self.last_thought_at)

    @property
    def answer_tokens(self) -> int:
        """Tokens of the answer, without those of thoughts before it."""
        return max(0, self.tokens - self.thought_tokens)

    @property
    def ttft_s(self) -> float | None:
        """Time to the answer's first token, from the request: queue, load, prefill and thought together."""
        return _span(self.requested_at, self.first_token_at)

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of decoding the answer alone: tokens after the first, over the time since the first."""
        span = _span(self.first_token_at, self.last_token_at)
        return (self.answer_tokens - 1) / span if span and self.answer_tokens > 1 else None

    @property
    def thought_tokens_per_second(self) -> float | None:
        """Speed of decoding the thought alone."""
        span = _span(self.first_thought_at, self.last_thought_at)
        return (self.thought_tokens - 1) / span if span and self.thought_tokens > 1 else None

    @property
    def duration_s(self) -> float | None:
        return _span(self.requested_at, self.ended_at)


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
