"""Walking through constraints at random, a byte at a time, and asking whether a text is one of theirs."""

from __future__ import annotations

import ctypes
import random
from typing import Any

import llama_cpp
import llguidance
import numpy as np

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.inferencers.constraints import notation
from tests.support import tiny_gguf

_END = 256
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class _Bytes:
    """A vocabulary of bytes, in the shape that llguidance takes."""

    eos_token_id, bos_token_id = _END, None
    tokens = [bytes([n]) for n in range(256)] + [b"</s>"]
    special_token_ids = [_END]  # noqa: RUF012

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


BYTES = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes()))


def _at_the_beginning(constraint: Constraint) -> llguidance.LLMatcher:
    matcher = llguidance.LLMatcher(BYTES, notation(constraint))
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def random_text(constraint: Constraint, seed: int, hurry: float) -> str:
    """A text that the constraint allows. With ``hurry`` as a chance the way on is one that ends something."""
    chance = random.Random(seed)
    matcher = _at_the_beginning(constraint)
    text = bytearray()
    while not matcher.is_stopped():
        assert not matcher.is_error(), matcher.get_error()
        may = np.flatnonzero(np.frombuffer(matcher.compute_logit_bias(), dtype=np.uint8))
        ends = [n for n in may if n in (ord('"'), ord("/"), _END)]
        token = int(chance.choice(ends if ends and chance.random() < hurry else may))
        matcher.consume_token(token)
        if token != _END:
            text.append(token)
    return text.decode()


def allows(constraint: Constraint, text: str) -> bool:
    """Whether ``text`` is one of the constraint's, from its beginning to its end."""
    matcher = _at_the_beginning(constraint)
    data = list(text.encode())
    return matcher.validate_tokens(data) == len(data) and matcher.consume_tokens(data) and matcher.is_accepting()


def is_gbnf_text(constraint: Constraint, vocab: Any, n_vocab: int, text: str) -> bool:
    """Whether ``text`` is one of the constraint's GBNF form, by llama.cpp with the vocabulary of ``tiny_gguf``."""
    assert constraint.gbnf is not None
    sampler = llama_cpp.llama_sampler_init_grammar(vocab, constraint.gbnf.encode(), b"root")
    assert sampler, "llama.cpp cannot read it"
    try:
        for token in tiny_gguf.byte_tokens(text):
            if not _may_follow(sampler, token):
                return False
            llama_cpp.llama_sampler_accept(sampler, token)
        return _may_follow(sampler, tiny_gguf.EOS)
    finally:
        llama_cpp.llama_sampler_free(sampler)


def _may_follow(sampler: Any, token: int) -> bool:
    candidates = np.array([(token, 0.0, 0.0)], _CANDIDATE)
    array = llama_cpp.llama_token_data_array(
        data=candidates.ctypes.data_as(llama_cpp.llama_token_data_p), size=1, selected=-1, sorted=False
    )
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    return bool(np.isfinite(candidates["logit"][0]))
