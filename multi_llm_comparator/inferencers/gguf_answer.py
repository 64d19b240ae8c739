"""One answer on its way: what it was asked, where it stands, what it has said."""

from __future__ import annotations

from dataclasses import dataclass, field

from multi_llm_comparator.core.events import Event, Finished, FinishReason, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import RenderedPrompt
from multi_llm_comparator.inferencers.gguf_lanes import Lane
from multi_llm_comparator.inferencers.gguf_sampling import Sampler
from multi_llm_comparator.inferencers.gguf_slots import Slot
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.text import AnswerStream


@dataclass(eq=False, slots=True)
class Answer:
    """State of one request that has a slot: one of those that share a context, or its ``lane``'s."""

    request: GenerationRequest
    rendered: RenderedPrompt
    prompt: list[int]
    slot: Slot
    sampler: Sampler
    vocabulary: Vocabulary
    n_ctx: int
    lane: Lane | None = None
    is_started: bool = False
    tokens: int = 0
    next_token: int = -1
    stream: AnswerStream = field(init=False)
    _limit: int = field(init=False)

    def __post_init__(self) -> None:
        config = self.request.config
        self.stream = AnswerStream(config.stop)
        self._limit = min(config.max_tokens, self.n_ctx - len(self.prompt))

    @property
    def is_decoding(self) -> bool:
        """Whether the whole prompt is read."""
        return len(self.slot.tokens) >= len(self.prompt)

    def started(self) -> Started:
        """The first event, once what is known of the prompt is in the slot."""
        self.is_started = True
        return Started(
            request_id=self.request.id,
            prompt_tokens=len(self.prompt),
            cached_tokens=len(self.slot.tokens),
            prompt=self.rendered.text,
            seed=self.sampler.seed,
            notes=self.rendered.notes,
        )

    def accept(self, token: int) -> tuple[TextDelta | None, FinishReason | None]:
        """Take the token that was sampled; returns its text, if it has any part in it, and why the answer ends."""
        piece = self.vocabulary.piece(token) if self.tokens else self.vocabulary.first_piece(token, self.prompt[-1])
        if piece is None or token == self.request.config.eos_token_id:
            # What was made to end was cut, however whole it looks.
            return None, "length" if self.sampler.is_closing else "stop"
        self.tokens += 1
        self.next_token = token
        text, is_stopped = self.stream.push(piece)
        delta = TextDelta(request_id=self.request.id, text=text, tokens=self.tokens)
        grammar = self.request.grammar
        if grammar is not None and self._limit - self.tokens <= grammar.reserve:
            self.sampler.is_closing = True
        if is_stopped:
            return delta, "stop"
        return delta, "length" if self.tokens >= self._limit else None

    def finished(self, reason: FinishReason) -> list[Event]:
        """The last events: text that was held back, and the end."""
        events: list[Event] = []
        held = self.stream.flush()
        if held:
            events.append(TextDelta(request_id=self.request.id, text=held, tokens=self.tokens))
        events.append(
            Finished(
                request_id=self.request.id,
                reason=reason,
                prompt_tokens=len(self.prompt),
                completion_tokens=self.tokens,
            )
        )
        return events
