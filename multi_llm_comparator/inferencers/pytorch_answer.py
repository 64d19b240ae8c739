"""One request while it is answered: its tokens, where its text stands, when it ends."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import torch

from multi_llm_comparator.core.events import Event, Finished, FinishReason, Started
from multi_llm_comparator.core.exceptions import ContextOverflowError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.inferencers.constraints import Matcher
from multi_llm_comparator.inferencers.logit_edits import LogitEdits
from multi_llm_comparator.inferencers.pytorch_decoders import Row
from multi_llm_comparator.inferencers.pytorch_sampling import RowSampler, check_token
from multi_llm_comparator.inferencers.pytorch_text import Detokenizer, PromptEncoder, TokenSpelling
from multi_llm_comparator.inferencers.pytorch_vision import ImageInputs
from multi_llm_comparator.inferencers.thoughts import Telling, ThoughtBudget
from multi_llm_comparator.inferencers.token_chances import Chances

LITTLE_ROOM = (
    "Room for {} tokens of answer, not {}: the context holds {}; load the model with a larger n_ctx, or shorten the "
    "conversation."
)


class PyTorchAnswer(Row):
    """The state of one request.

    ``tokens`` are the prompt's and the answer's so far.

    Raises:
        InferenceError: the prompt cannot be made.
        ContextOverflowError: it leaves no room for an answer.
    """

    def __init__(
        self,
        request: GenerationRequest,
        encoder: PromptEncoder,
        tokenizer: Any,
        n_ctx: int,
        stop_ids: frozenset[int],
        matcher: Matcher | None = None,
        edits: LogitEdits | None = None,
        spelling: TokenSpelling | None = None,
    ) -> None:
        self.id = request.id
        images: ImageInputs | None = None
        if request.images:
            self._prompt, tokens, images = encoder.see(request)
        else:
            self._prompt, tokens = encoder.encode(request)
        super().__init__(tokens, images=images)
        self.prompt_tokens = len(self.tokens)
        if self.prompt_tokens >= n_ctx:
            raise ContextOverflowError(
                f"the prompt has {self.prompt_tokens} tokens and the context holds {n_ctx}, with the answer; "
                "shorten the conversation, or load the model with a larger n_ctx"
            )
        config = request.config
        self.is_alone = config.reproducible
        self._seed = secrets.randbelow(2**32) if config.seed is None else config.seed
        room = n_ctx - self.prompt_tokens
        self._max_tokens = min(config.max_tokens, room)
        self._room_notes = () if config.max_tokens <= room else (LITTLE_ROOM.format(room, config.max_tokens, n_ctx),)
        own_stop = frozenset() if config.eos_token_id is None else frozenset({config.eos_token_id})
        self._stop_ids = stop_ids | own_stop
        self._telling = Telling(request, opens_thought=self._prompt.opens_thought)
        self._budget = None
        if config.thinking_budget is not None:
            self._budget = ThoughtBudget(config.thinking_budget, encoder.thought_ending)
        self._marks = encoder.thought_marks
        self._text = Detokenizer(tokenizer, self.tokens if encoder.continues_text(request) else ())
        self.sampler = RowSampler(config, self._seed)
        self.matcher = matcher
        self._edits = edits if edits is not None and not edits.are_none else None
        self._spelling = spelling
        self._chances = None if config.top_logprobs is None else Chances(config.top_logprobs)

    @property
    def completion_tokens(self) -> int:
        return len(self.tokens) - self.prompt_tokens

    @property
    def most_tokens(self) -> int:
        """Tokens of prompt and answer at most."""
        return self.prompt_tokens + self._max_tokens

    @property
    def answered(self) -> list[int]:
        """The tokens of the answer alone: those that penalties look at."""
        return self.tokens[self.prompt_tokens :]

    def started(self, model_notes: Sequence[str]) -> Started:
        """The model begins to read; ``done`` tokens it knows already. ``model_notes`` hold for all its answers."""
        return Started(
            request_id=self.id,
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.done,
            prompt=self._prompt.text,
            seed=self._seed,
            notes=(*self._prompt.notes, *self._room_notes, *model_notes),
        )

    @property
    def prepares(self) -> bool:
        """Whether the logits of this answer are looked at or changed before its token is drawn."""
        return bool(self.matcher or self._edits or self._budget or self._chances is not None)

    def prepare(self, logits: torch.Tensor) -> None:
        """Take note of what the model thinks, then change what biases, repetitions and a constraint change.

        Args:
            logits: of the next token, float32, shape (vocabulary,); changed in place.
        """
        if self._chances is not None:
            row = logits.cpu().numpy()
            self._chances.look(row, float(row.max()))
        if self._edits is not None and (added := self._edits.added()):
            ids = torch.tensor(list(added), device=logits.device)
            logits[ids] += torch.tensor(list(added.values()), device=logits.device, dtype=logits.dtype)
        if self.matcher is not None:
            logits.masked_fill_(torch.from_numpy(self.matcher.forbidden()).to(logits.device), -torch.inf)
        if self._budget is not None and (must := self._budget.next_token) is not None:
            kept = logits[must].clone()
            logits.fill_(-torch.inf)
            logits[must] = kept

    def take(self, picked: int | None) -> tuple[list[Event], FinishReason | None]:
        """The model's next token: what it adds, and the reason if it is the last one.

        Raises:
            InferenceError: there is none, for the model's output was not a number, or its constraint leaves none.
        """
        if self.matcher is not None:
            self.matcher.check()
        token = check_token(picked)
        if token in self._stop_ids:
            return [], self._usual_end
        self.tokens.append(token)
        if self._edits is not None:
            self._edits.take(token)
        text = self._text.push(token) + self._marks.get(token, "")
        told, is_stopped = self._telling.push(text, self.completion_tokens, self._pieces(token))
        if self._budget is not None:
            self._budget.take(token, is_thinking=self._telling.is_thinking)
        reason: FinishReason | None = None
        if is_stopped:
            reason = "stop"
        elif self._ends_with(token):
            reason = self._usual_end
        elif self.completion_tokens >= self._max_tokens:
            reason = "length"
        return told, reason

    def _pieces(self, token: int) -> tuple[TokenPiece, ...]:
        if self._chances is None or self._spelling is None:
            return ()
        return (self._chances.piece(token, self._spelling.spelled),)

    @property
    def _usual_end(self) -> FinishReason:
        """What was made to end was cut, however whole it looks."""
        return "length" if self.matcher is not None and self.matcher.is_closing else "stop"

    def _ends_with(self, token: int) -> bool:
        """Whether the constraint, if there is one, is used up by ``token``."""
        if self.matcher is None:
            return False
        self.matcher.accept(token, self._max_tokens - self.completion_tokens)
        return self.matcher.is_used_up

    def end(self, reason: FinishReason) -> list[Event]:
        """What is left to say when the answer is over."""
        events = self._telling.end(self.completion_tokens, self._text.flush())
        finished = Finished(
            request_id=self.id,
            reason=reason,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            stop_text=self._telling.stop_text(reason),
        )
        return [*events, finished]
