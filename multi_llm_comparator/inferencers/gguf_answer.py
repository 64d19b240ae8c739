"""One answer on its way: what it was asked, where it stands, what it has said."""

from __future__ import annotations

from codecs import IncrementalDecoder
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from multi_llm_comparator.core.events import Event, Finished, FinishReason, Started
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import RenderedPrompt
from multi_llm_comparator.inferencers.constraints import Matcher
from multi_llm_comparator.inferencers.gguf_adapters import AnswerAdapter
from multi_llm_comparator.inferencers.gguf_contexts import OwnContext
from multi_llm_comparator.inferencers.gguf_sampling import Sampler
from multi_llm_comparator.inferencers.gguf_sight import ImageChunk, SeenPrompt, is_image
from multi_llm_comparator.inferencers.gguf_slots import Slot
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.text import utf8_decoder
from multi_llm_comparator.inferencers.thoughts import Telling, in_one


@dataclass(eq=False, slots=True)
class GgufAnswer:
    """State of one request that has a slot: one of those that share a context, or that of its ``own`` context.

    ``chosen`` are tokens of the answer that the model has yet to read: the one that was picked last, and those that its
    constraint made follow, at most ``most_forced`` at once.
    """

    request: GenerationRequest
    rendered: RenderedPrompt
    prompt: list[int]
    slot: Slot
    sampler: Sampler
    vocabulary: Vocabulary
    n_ctx: int
    own: OwnContext | None = None
    matcher: Matcher | None = None
    most_forced: int = 0
    adapter: AnswerAdapter | None = None
    seen: SeenPrompt | None = None
    is_started: bool = False
    tokens: int = 0
    chosen: list[int] = field(default_factory=list)
    is_paused: bool = False
    prompt_tokens: int = field(init=False)
    decoder: IncrementalDecoder = field(default_factory=utf8_decoder, init=False)
    telling: Telling = field(init=False)
    _limit: int = field(init=False)

    def __post_init__(self) -> None:
        config = self.request.config
        self.prompt_tokens = len(self.prompt) + (self.seen.extra_tokens if self.seen else 0)
        self.telling = Telling(self.request, opens_thought=self.rendered.opens_thought)
        self._limit = min(config.max_tokens, self.n_ctx - self.prompt_tokens)

    @property
    def is_decoding(self) -> bool:
        """Whether the whole prompt is read."""
        return len(self.slot.tokens) >= len(self.prompt)

    @property
    def image_ahead(self) -> ImageChunk | None:
        """The image that is to be read next, if one is."""
        return self.seen.images.get(len(self.slot.tokens)) if self.seen and not self.is_decoding else None

    def text_ahead(self, most: int) -> list[int]:
        """The next tokens of the prompt up to an image, at most so many."""
        run = self.prompt[len(self.slot.tokens) :][:most]
        return list(takewhile(lambda token: not is_image(token), run)) if self.seen else run

    def started(self) -> Started:
        """The first event, once what is known of the prompt is in the slot."""
        self.is_started = True
        return Started(
            request_id=self.request.id,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=len(self.slot.tokens),
            prompt=self.rendered.text,
            seed=self.sampler.seed,
            notes=self.rendered.notes,
        )

    def close(self) -> None:
        """Free what it has of llama.cpp."""
        if self.seen is not None:
            self.seen.close()

    def pause(self) -> None:
        """Its cells are needed by others: what it has written is read again with its prompt, as one text."""
        self.prompt = [*self.slot.tokens, *self.chosen]
        self.slot.coming = self.prompt
        self.chosen, self.is_paused = [], True

    def accept(self, token: int) -> tuple[Sequence[Event], FinishReason | None]:
        """Take the token that was picked, and those that must follow it; returns their text, if they have any part in
        it, and why the answer ends."""
        self.chosen, self.is_paused = [], False
        told, reason = self._take(token)
        if reason is None and self.matcher is not None:
            for forced in self.matcher.forced()[: self.most_forced]:
                self.sampler.remember(forced)
                more, reason = self._take(forced)
                told += more
                if reason is not None:
                    break
        return in_one(told), reason

    def _take(self, token: int) -> tuple[list[Event], FinishReason | None]:
        """What one token adds, and why the answer ends with it, if it does."""
        piece = self._piece(token)
        if piece is None or token == self.request.config.eos_token_id:
            return [], self._usual_end
        self.tokens += 1
        self.chosen.append(token)
        chances = self.sampler.chances
        pieces = () if chances is None else (chances.piece(token, self.vocabulary.spelled),)
        told, is_stopped = self.telling.push(self.decoder.decode(piece), self.tokens, pieces)
        self.sampler.taken(token, is_thinking=self.telling.is_thinking)
        if self.matcher is not None:
            self.matcher.accept(token, self._limit - self.tokens)
        if is_stopped:
            return told, "stop"
        if self.matcher is not None and self.matcher.is_used_up:
            return told, self._usual_end
        return told, "length" if self.tokens >= self._limit else None

    def _piece(self, token: int) -> bytes | None:
        if mark := self.vocabulary.thought_marks.get(token):
            return mark
        # What a constraint allows is text as it stands, with the space before it.
        if self.tokens or self.matcher is not None:
            return self.vocabulary.piece(token)
        return self.vocabulary.first_piece(token, self.prompt[-1])

    @property
    def _usual_end(self) -> FinishReason:
        """What was made to end was cut, however whole it looks."""
        return "length" if self.matcher is not None and self.matcher.is_closing else "stop"

    def finished(self, reason: FinishReason) -> list[Event]:
        """The last events: text that was held back, and the end."""
        events = self.telling.end(self.tokens)
        events.append(
            Finished(
                request_id=self.request.id,
                reason=reason,
                prompt_tokens=self.prompt_tokens,
                completion_tokens=self.tokens,
                stop_text=self.telling.stop_text(reason),
            )
        )
        return events
