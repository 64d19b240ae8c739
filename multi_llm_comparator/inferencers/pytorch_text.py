"""Prompts to tokens and tokens back to text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import llguidance
from llguidance.hf import from_tokenizer

from multi_llm_comparator.core.exceptions import InferenceError, ModelLoadError, RequestRefusedError
from multi_llm_comparator.core.pictures import NO_SIGHT
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart, RenderedPrompt
from multi_llm_comparator.inferencers.constraints import SLICES
from multi_llm_comparator.inferencers.pytorch_errors import tokenizer_named
from multi_llm_comparator.inferencers.pytorch_vision import ImageInputs, Sight
from multi_llm_comparator.inferencers.thoughts import BUDGET_ENDS, CLOSE, OPEN
from multi_llm_comparator.inferencers.time_limits import TOKENIZER, limited
from multi_llm_comparator.inferencers.tokenizing import checked_ids

# A character has at most 4 bytes, a token of a byte-level vocabulary at least one: after so many tokens without a
# whole character the bytes are not going to become one.
MAX_PENDING_TOKENS = 8
CONTEXT_TOKENS = 6
REPLACEMENT = "\ufffd"
_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class PromptEncoder:
    """Renders and tokenises a request as the model's own template and tokenizer do."""

    def __init__(self, tokenizer: Any, n_vocab: int | None = None, sight: Sight | None = None) -> None:
        """
        Args:
            tokenizer: the model's.
            n_vocab: how many tokens the model has, where that may be other than the tokenizer's number.
            sight: what reads images; None for a model that does not see.
        """
        self._tokenizer, self.sight = tokenizer, sight
        self._n_vocab = len(tokenizer) if n_vocab is None else n_vocab
        self.template = ChatTemplate(
            _template_source(tokenizer) or (sight.template_source if sight else None),
            bos_token=tokenizer.bos_token or "",
            eos_token=tokenizer.eos_token or "",
            special_tokens=_special_texts(tokenizer),
        )
        # What the tokenizer itself puts around a text; an end mark there would end the answer before it began.
        with limited(TOKENIZER), tokenizer_named(ModelLoadError, "on an empty text"):
            around = tokenizer.encode("", add_special_tokens=True)
        bos = tokenizer.bos_token_id
        self._lead = [bos] if bos is not None and bos in around else []

    def encode(self, request: GenerationRequest) -> tuple[RenderedPrompt, list[int]]:
        """The prompt as text and as tokens.

        Raises:
            InferenceError: the template refuses the conversation, or nothing is left to read.
        """
        if request.prompt_tokens:
            ids = checked_ids(request.prompt_tokens, self._n_vocab)
            return RenderedPrompt((PromptPart(self._tokenizer.decode(ids), is_template=False),)), ids
        prompt = self.template.render(request)
        # A template writes the begin mark itself; a plain prompt gets it as the tokenizer would give it.
        ids = self.tokens(prompt.parts, [] if self.is_chat(request) else self._lead)
        if not ids:
            raise InferenceError("the prompt is empty; write something for the model to read")
        return prompt, ids

    def see(self, request: GenerationRequest) -> tuple[RenderedPrompt, list[int], ImageInputs]:
        """Like :meth:`encode` for a request with images, with what the model takes of them.

        Raises:
            RequestRefusedError: the model does not see, or an image cannot be read.
            InferenceError: as :meth:`encode`.
        """
        if self.sight is None:
            raise RequestRefusedError(NO_SIGHT)
        lead = "" if self.is_chat(request) or not self._lead else self._tokenizer.bos_token
        return self.sight.read(request, self.template, lead)

    def tokens(self, parts: Iterable[PromptPart], lead: Sequence[int] = ()) -> list[int]:
        """Tokens of the parts of a prompt, behind ``lead``; special tokens only where a template wrote them.

        Raises:
            InferenceError: the tokenizer fails on them.
        """
        ids = list(lead)
        with limited(TOKENIZER), tokenizer_named(InferenceError, "over this prompt"):
            for part in parts:
                ids += self._tokenizer.encode(
                    part.text, add_special_tokens=False, split_special_tokens=not part.is_template
                )
        return ids

    @property
    def special_ids(self) -> dict[str, int]:
        """Control tokens by their texts."""
        return {
            token.content: number for number, token in self._tokenizer.added_tokens_decoder.items() if token.special
        }

    @cached_property
    def thought_marks(self) -> dict[int, str]:
        """The tags around a thought, by token, where a control token stands for one: it has no text of its own."""
        special = {id for id, added in self._tokenizer.added_tokens_decoder.items() if added.special}
        found = ((tag, self.tokens([PromptPart(tag, is_template=True)])) for tag in (OPEN, CLOSE))
        return {tokens[0]: tag for tag, tokens in found if len(tokens) == 1 and tokens[0] in special}

    def thought_ending(self) -> list[int]:
        """The tokens that end a thought which has used up its budget."""
        return self.tokens([PromptPart(BUDGET_ENDS, is_template=True)])

    # What scoring asks of it: see score_tokens.ScoreTokenizer.

    @property
    def begin(self) -> int | None:
        """What stands for an empty text: the begin mark, or the end mark where there is none."""
        bos: int | None = self._tokenizer.bos_token_id
        eos: int | None = self._tokenizer.eos_token_id
        return eos if bos is None else bos

    def of_text(self, text: str) -> list[int]:
        """Tokens of a whole text, with the begin mark in front where the tokenizer gives one."""
        return self.tokens([PromptPart(text, is_template=False)], self._lead)

    def of_parts(self, parts: Iterable[PromptPart]) -> list[int]:
        """Tokens of a rendered conversation, which has its begin mark; a plain prompt is given one."""
        return self.tokens(parts, () if self.template.is_present else self._lead)

    def of_piece(self, text: str) -> list[int]:
        """Tokens of a text that continues another."""
        return self.tokens([PromptPart(text, is_template=False)])

    def is_chat(self, request: GenerationRequest) -> bool:
        """Whether the request goes through a chat template, so that its answer is a text of its own."""
        return self.template.is_present and not request.raw and not request.prompt_tokens

    def continues_text(self, request: GenerationRequest) -> bool:
        """Whether the answer joins on to text before it, so that a space at its beginning belongs to it."""
        return request.continue_final or not self.is_chat(request)


class Detokenizer:
    """Text of a growing list of tokens, in whole characters and in time linear in their number.

    A token's text may depend on its neighbours (spaces, characters made of several tokens). So the last tokens whose
    text is out are decoded with and without the new ones, and the difference is new text. ``context`` are tokens
    before the first one, whose text is not repeated.
    """

    def __init__(self, tokenizer: Any, context: Sequence[int] = ()) -> None:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._tokenizer = backend if backend is not None else tokenizer
        self._ids = list(context[-CONTEXT_TOKENS:])
        self._settled = len(self._ids)  # tokens of self._ids whose text is out
        self._settled_text = self._decode(self._ids) if self._ids else ""

    def push(self, token: int) -> str:
        """The text that ``token`` completes; empty while a character is incomplete or for a special token."""
        self._ids.append(token)
        text = self._decode(self._ids)
        if text.endswith(REPLACEMENT) and len(self._ids) - self._settled < MAX_PENDING_TOKENS:
            return ""
        return self._settle(text)

    def flush(self) -> str:
        """What the answer's end leaves; a character that never became whole is dropped."""
        if self._settled == len(self._ids):
            return ""
        return self._settle(self._decode(self._ids)).rstrip(REPLACEMENT)

    def _settle(self, text: str) -> str:
        new = text[len(self._settled_text) :]
        if new:
            self._ids = self._ids[self._settled :]
            self._settled = len(self._ids)
            self._settled_text = self._decode(self._ids)
        elif len(self._ids) - self._settled >= MAX_PENDING_TOKENS:
            # Special tokens only: they have no text, so the oldest of them need not be kept.
            del self._ids[self._settled : -1]
        return new

    def _decode(self, ids: list[int]) -> str:
        with tokenizer_named(InferenceError, "over the answer"):
            text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
        return text


def vocabulary_for_constraints(tokenizer: Any, n_vocab: int, stop_ids: frozenset[int]) -> llguidance.LLTokenizer:
    """The vocabulary as llguidance takes it.

    Args:
        tokenizer: the model's.
        n_vocab: how many logits the model gives, which may be more than the tokenizer has tokens.
        stop_ids: the tokens that end an answer.

    Raises:
        ValueError: it cannot be used.
    """
    return from_tokenizer(tokenizer, n_vocab, sorted(stop_ids) or None, SLICES)


class TokenSpelling:
    """What each token of a tokenizer stands for, one by one."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added_tokens = tokenizer.added_tokens_decoder.items()
        self._named = {id: added.content for id, added in added_tokens}
        self._control = {id: str(added.content) for id, added in added_tokens if added.special}
        backend = getattr(tokenizer, "backend_tokenizer", None)
        self._is_byte_level = backend is not None and "ByteLevel" in repr(backend.decoder)
        self._bytes = {character: byte for byte, character in bytes_to_unicode().items()}
        self._known: dict[int, tuple[str, bytes]] = {}

    def spelled(self, token: int) -> tuple[str, bytes]:
        """A token's text and bytes; of a control token its name, and no bytes."""
        if token not in self._known:
            piece = self._piece(token)
            name = self._control.get(token)
            self._known[token] = (piece.decode("utf-8", "replace"), piece) if name is None else (name, b"")
        return self._known[token]

    def _piece(self, token: int) -> bytes:
        if (name := self._named.get(token)) is not None:
            return str(name).encode()
        # Some models have more logits than tokens.
        text = str(self._tokenizer.convert_ids_to_tokens(token) or "")
        if self._is_byte_level:
            return bytes(self._bytes[character] for character in text if character in self._bytes)
        if byte := _BYTE_TOKEN.fullmatch(text):
            return bytes([int(byte[1], 16)])
        return text.replace("\u2581", " ").encode("utf-8", "replace")


def bytes_to_unicode() -> dict[int, str]:
    """The characters that byte-level vocabularies write for bytes (Radford et al. 2019, GPT-2's encoder): those that
    can be seen stand for themselves, the others for the characters from U+0100 on."""
    seen = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {**{byte: chr(byte) for byte in seen}, **{byte: chr(256 + n) for n, byte in enumerate(hidden)}}


def _template_source(tokenizer: Any) -> str | None:
    template = tokenizer.chat_template
    if isinstance(template, dict):
        template = template.get("default")
    return template if isinstance(template, str) else None


def _special_texts(tokenizer: Any) -> Iterable[str]:
    """The texts that the tokenizer turns into control tokens wherever it meets them."""
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if token.special)
    return (*tokenizer.all_special_tokens, *added)
