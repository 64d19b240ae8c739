"""A checkpoint's tokenizer, as those who only want tokens ask it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart
from multi_llm_comparator.inferencers.pytorch_errors import tokenizer_named
from multi_llm_comparator.inferencers.pytorch_text import PromptEncoder, TokenSpelling


class PyTorchTokenTable:
    """As :class:`~inferencers.tokenizing.TokenTable` has it."""

    def __init__(self, tokenizer: Any, encoder: PromptEncoder, spelling: TokenSpelling, n_vocab: int) -> None:
        self._tokenizer, self._encoder, self._spelling, self.n_vocab = tokenizer, encoder, spelling, n_vocab

    @property
    def template(self) -> ChatTemplate:
        return self._encoder.template

    @property
    def marks(self) -> tuple[str, str]:
        return self._tokenizer.bos_token or "", self._tokenizer.eos_token or ""

    def of_text(self, text: str) -> list[int]:
        return self._encoder.of_text(text)

    def tokens(self, parts: Iterable[PromptPart]) -> list[int]:
        return self._encoder.tokens(parts)

    def of_request(self, request: GenerationRequest) -> list[int]:
        return (self._encoder.see(request) if request.images else self._encoder.encode(request))[1]

    def spelled(self, token: int) -> tuple[str, bytes]:
        return self._spelling.spelled(token)

    def text_of(self, tokens: Sequence[int]) -> str:
        with tokenizer_named(InferenceError, "over these tokens"):
            text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        return text
