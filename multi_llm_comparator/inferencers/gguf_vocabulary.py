"""A GGUF model's vocabulary: from prompt parts to tokens, from tokens to bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import llama_cpp
import numpy as np

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.chat import PromptPart
from multi_llm_comparator.inferencers.gguf_grammar import TokenTable
from multi_llm_comparator.inferencers.grammar_closers import Ranks, closing_ranks

_SPECIAL = llama_cpp.LLAMA_TOKEN_ATTR_CONTROL | llama_cpp.LLAMA_TOKEN_ATTR_UNKNOWN


class Vocabulary:
    """Tokens of one model. Ids out of range, as some files give for padding, count as absent (None)."""

    def __init__(self, vocab: Any) -> None:
        self._vocab = vocab
        self.size = int(llama_cpp.llama_vocab_n_tokens(vocab))
        self.bos = self._valid(llama_cpp.llama_vocab_bos(vocab))
        self.eos = self._valid(llama_cpp.llama_vocab_eos(vocab))
        self._adds_bos = bool(llama_cpp.llama_vocab_get_add_bos(vocab))
        self._is_spm = llama_cpp.llama_vocab_type(vocab) == llama_cpp.LLAMA_VOCAB_TYPE_SPM
        self._buffer = ctypes.create_string_buffer(512)
        self._pieces: dict[int, bytes | None] = {}
        self._ranks: dict[tuple[str, ...], Ranks] = {}

    def text(self, token: int | None) -> str:
        """A token as the vocabulary writes it, such as ``<s>``; empty for None."""
        if token is None:
            return ""
        return bytes(llama_cpp.llama_vocab_get_text(self._vocab, token)).decode("utf-8", "replace")

    def special_tokens(self) -> list[str]:
        """The texts that become control tokens where special tokens are looked for."""
        attribute = llama_cpp.llama_vocab_get_attr
        return [self.text(token) for token in range(self.size) if attribute(self._vocab, token) & _SPECIAL]

    @cached_property
    def table(self) -> TokenTable:
        """What a grammar needs to know of all tokens."""
        attribute, pieces = llama_cpp.llama_vocab_get_attr, [self.piece(token) for token in range(self.size)]
        silent = (p is not None and bool(attribute(self._vocab, t) & _SPECIAL) for t, p in enumerate(pieces))
        return TokenTable.of(pieces, np.fromiter(silent, np.bool_, self.size))

    def closing_ranks(self, closers: tuple[str, ...]) -> Ranks:
        """How soon each token leads to the end of a text that ends as ``closers`` say."""
        if closers not in self._ranks:
            # One kind of text is written under a grammar as a rule; the vocabulary is read once for it.
            self._ranks = {closers: closing_ranks((self.piece(token) for token in range(self.size)), closers)}
        return self._ranks[closers]

    def tokenize(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of a prompt, with the model's BOS in front if it wants one and the template gave none.

        Raises:
            InferenceError: there is nothing to begin with: an empty prompt and no BOS.
        """
        tokens: list[int] = []
        for part in parts:
            tokens += self._tokens(part.text.encode("utf-8", "replace"), parse_special=part.is_template)
        wants_bos = self._adds_bos or not tokens
        if wants_bos and self.bos is not None and (not tokens or tokens[0] != self.bos):
            tokens.insert(0, self.bos)
        if not tokens:
            raise InferenceError(
                "the prompt is empty and this model has no token to begin a text with; write something"
            )
        return tokens

    def piece(self, token: int) -> bytes | None:
        """The bytes a token stands for, perhaps only part of a character; None when it ends the text."""
        try:
            return self._pieces[token]
        except KeyError:
            ends = llama_cpp.llama_vocab_is_eog(self._vocab, token)
            piece = self._pieces[token] = None if ends else self._to_bytes(token, 0)
            return piece

    def first_piece(self, token: int, after: int) -> bytes | None:
        """Like :meth:`piece` for the first token of an answer; ``after`` is the prompt's last token.

        SentencePiece vocabularies write a text's first word with a space in front, which is not part of the text.
        """
        piece = self.piece(token)
        if piece is None or not self._is_spm or after != self.bos:
            return piece
        return self._to_bytes(token, 1)

    def _to_bytes(self, token: int, lstrip: int) -> bytes:
        n = llama_cpp.llama_token_to_piece(self._vocab, token, self._buffer, len(self._buffer), lstrip, False)
        if n < 0:
            self._buffer = ctypes.create_string_buffer(-n)
            n = llama_cpp.llama_token_to_piece(self._vocab, token, self._buffer, -n, lstrip, False)
        return self._buffer.raw[:n]

    def _tokens(self, text: bytes, *, parse_special: bool) -> list[int]:
        room = len(text) + 2
        while True:
            buffer = (llama_cpp.llama_token * room)()
            n = llama_cpp.llama_tokenize(self._vocab, text, len(text), buffer, room, False, parse_special)
            if n >= 0:
                return list(buffer[:n])
            room = -n

    def _valid(self, token: int) -> int | None:
        return token if 0 <= token < self.size else None
