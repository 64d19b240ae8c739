"""A GGUF model's vocabulary: from prompt parts to tokens, from tokens to bytes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import llama_cpp
import llguidance

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart
from multi_llm_comparator.inferencers.constraints import SLICES
from multi_llm_comparator.inferencers.thoughts import BUDGET_ENDS, CLOSE, OPEN

# llguidance's sign of a token that is no text.
_NO_TEXT = b"\xff"
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
        self._buffer = _Buffer(vocab)
        self._pieces: dict[int, bytes | None] = {}

    def text(self, token: int | None) -> str:
        """A token as the vocabulary writes it, such as ``<s>``; empty for None."""
        if token is None:
            return ""
        return bytes(llama_cpp.llama_vocab_get_text(self._vocab, token)).decode("utf-8", "replace")

    def special_tokens(self) -> list[str]:
        """The texts that become control tokens where special tokens are looked for."""
        return list(self.special_ids)

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """Control tokens by their texts."""
        attribute = llama_cpp.llama_vocab_get_attr
        return {self.text(token): token for token in range(self.size) if attribute(self._vocab, token) & _SPECIAL}

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end a text."""
        is_end = llama_cpp.llama_vocab_is_eog
        return frozenset(token for token in range(self.size) if is_end(self._vocab, token))

    def for_constraints(self) -> llguidance.LLTokenizer:
        """The vocabulary as llguidance takes it; it must not be used after the model is freed.

        Raises:
            ValueError: it cannot be used.
        """
        # It may be read in another thread than the others, so nothing that those write is used.
        buffer, attribute = _Buffer(self._vocab), llama_cpp.llama_vocab_get_attr
        tokens = []
        for token in range(self.size):
            is_special = token in self.ends or attribute(self._vocab, token) & _SPECIAL
            tokens.append(_NO_TEXT + self.text(token).encode() if is_special else buffer.read(token, 0))
        # A text must have an end, if only one that the model never writes.
        ends = sorted(self.ends) or [len(tokens)]
        tokens += [_NO_TEXT] * (ends[0] == len(tokens))
        tokenize = ctypes.cast(llama_cpp.llama_cpp._lib.llama_tokenize, ctypes.c_void_p).value
        made: llguidance.LLTokenizer = llguidance.LLTokenizer.from_llamacpp(  # type: ignore[attr-defined]
            tokens=tokens, vocab_ptr=self._vocab, tokenize_fptr=tokenize, eos_token=ends, slices=SLICES
        )
        return made

    def tokenize(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of a prompt, with the model's BOS in front if it wants one and the template gave none.

        Raises:
            InferenceError: there is nothing to begin with: an empty prompt and no BOS.
        """
        return self.begun(self.tokens(parts))

    def begun(self, tokens: list[int]) -> list[int]:
        """The same tokens as a prompt begins with them; raises what :meth:`tokenize` does."""
        wants_bos = self._adds_bos or not tokens
        if wants_bos and self.bos is not None and (not tokens or tokens[0] != self.bos):
            tokens = [self.bos, *tokens]
        if not tokens:
            raise InferenceError(
                "the prompt is empty and this model has no token to begin a text with; write something"
            )
        return tokens

    def tokens(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of the parts alone, without a BOS."""
        tokens: list[int] = []
        for part in parts:
            tokens += self._tokens(part.text.encode("utf-8", "replace"), parse_special=part.is_template)
        return tokens

    def piece(self, token: int) -> bytes | None:
        """The bytes a token stands for, perhaps only part of a character; None when it ends the text."""
        try:
            return self._pieces[token]
        except KeyError:
            ends = llama_cpp.llama_vocab_is_eog(self._vocab, token)
            piece = self._pieces[token] = None if ends else self._buffer.read(token, 0)
            return piece

    @cached_property
    def thought_marks(self) -> dict[int, bytes]:
        """The tags around a thought, by token, where a control token stands for one: it has no text of its own."""
        found = {}
        for tag in (OPEN, CLOSE):
            tokens = self.tokens([PromptPart(tag, is_template=True)])
            if len(tokens) == 1 and not self.piece(tokens[0]):
                found[tokens[0]] = tag.encode()
        return found

    def thought_ending(self) -> list[int]:
        """The tokens that end a thought which has used up its budget."""
        return self.tokens([PromptPart(BUDGET_ENDS, is_template=True)])

    def spelled(self, token: int) -> tuple[str, bytes]:
        """A token's text and bytes; of one that is no text its name, and no bytes."""
        piece = self.piece(token)
        return (piece.decode("utf-8", "replace"), piece) if piece else (self.text(token), b"")

    def text_of(self, tokens: Sequence[int]) -> str:
        """The text of tokens together; of control tokens their names."""
        spelled = map(self.spelled, tokens)
        return b"".join(piece or text.encode() for text, piece in spelled).decode("utf-8", "replace")

    def first_piece(self, token: int, after: int) -> bytes | None:
        """Like :meth:`piece` for the first token of an answer; ``after`` is the prompt's last token.

        SentencePiece vocabularies write a text's first word with a space in front, which is not part of the text.
        """
        piece = self.piece(token)
        if piece is None or not self._is_spm or after != self.bos:
            return piece
        return self._buffer.read(token, 1)

    def without_first_space(self, text: bytes) -> bytes:
        """A whole text as it was before it was tokenised: SentencePiece puts a space in front."""
        return text.removeprefix(b" ") if self._is_spm else text

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


def template_of(source: str | None, vocabulary: Vocabulary) -> ChatTemplate:
    """The chat template of a file with this vocabulary."""
    return ChatTemplate(
        source,
        bos_token=vocabulary.text(vocabulary.bos),
        eos_token=vocabulary.text(vocabulary.eos),
        special_tokens=vocabulary.special_tokens(),
    )


class _Buffer:
    """Where llama.cpp writes the bytes of a token; for one thread."""

    def __init__(self, vocab: Any) -> None:
        self._vocab = vocab
        self._bytes = ctypes.create_string_buffer(512)

    def read(self, token: int, lstrip: int) -> bytes:
        """The bytes of a token without ``lstrip`` spaces before them; none for one that is no text."""
        n = llama_cpp.llama_token_to_piece(self._vocab, token, self._bytes, len(self._bytes), lstrip, False)
        if n < 0:
            self._bytes = ctypes.create_string_buffer(-n)
            n = llama_cpp.llama_token_to_piece(self._vocab, token, self._bytes, -n, lstrip, False)
        return self._bytes.raw[:n]
