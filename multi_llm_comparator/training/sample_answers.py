"""Answers that the model gives while it is tuned, so that one sees it learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import GenerationConfig

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.pytorch_load import LoadedCheckpoint
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder
from multi_llm_comparator.training.chat_rows import IGNORED, Row

MAX_PROMPT_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt as the engine would send it, and the answer that the data has for it, if it is from there.

    ``prompt`` is its text for a person, ``ids`` are its tokens.
    """

    prompt: str
    ids: tuple[int, ...]
    reference: str | None = None


class AnswerWriter:
    """Writes greedy answers of at most ``max_tokens`` tokens.

    Args:
        loaded: the model; adapters in it are used.
        together: whether prompts of different lengths may be read in one batch.
    """

    def __init__(self, loaded: LoadedCheckpoint, max_tokens: int, *, together: bool) -> None:
        self._loaded, self._max_tokens, self._together = loaded, max_tokens, together
        self._encoder = PromptEncoder(loaded.tokenizer)
        # Rows may be kept shorter than what the model can read.
        context = loaded.n_ctx_train or loaded.n_ctx
        self._longest = max(1, min(MAX_PROMPT_TOKENS, context - max_tokens))

    def asked(self, text: str) -> Question | None:
        """A prompt that somebody wrote; None if the model cannot be asked it."""
        try:
            _, ids = self._encoder.encode(GenerationRequest(messages=(Message("user", text),)))
        except InferenceError:
            return None
        return Question(text, tuple(ids)) if len(ids) <= self._longest else None

    def of_row(self, row: Row, prompt: str = "") -> Question | None:
        """The question of a row; None if it is too long to be asked here."""
        first = int(np.argmax(row.labels != IGNORED))
        ids = tuple(row.input_ids[:first].tolist())
        if not ids or len(ids) > self._longest:
            return None
        return Question(prompt or self._text(ids), ids, self._text(row.input_ids[first:].tolist()))

    @torch.no_grad()
    def answers(self, questions: Sequence[Question]) -> list[str]:
        """What the model answers to each."""
        if not self._together or len(questions) < 2:
            return [self._batch([question])[0] for question in questions]
        return self._batch(questions)

    def _batch(self, questions: Sequence[Question]) -> list[str]:
        model, longest = self._loaded.model, max(len(question.ids) for question in questions)
        ids = torch.zeros(len(questions), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for number, question in enumerate(questions):
            ids[number, longest - len(question.ids) :] = torch.tensor(question.ids)
            mask[number, longest - len(question.ids) :] = 1
        ends = sorted(self._loaded.stop_ids)
        # Not the checkpoint's own: it may sample, or punish repetitions.
        how = GenerationConfig(
            max_new_tokens=self._max_tokens,
            do_sample=False,
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
        )
        device = self._loaded.device
        was_training = model.training
        model.eval()
        try:
            written = model.generate(ids.to(device), attention_mask=mask.to(device), generation_config=how)
        finally:
            model.train(was_training)
        return [self._text(answer[longest:].tolist()) for answer in written]

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._loaded.tokenizer.decode(ids, skip_special_tokens=True)
        return text.strip()
