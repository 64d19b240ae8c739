"""Walking through a grammar at random, a byte at a time, in either notation."""

from __future__ import annotations

import random

import llama_cpp
import llguidance
import numpy as np

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import Grammar
from multi_llm_comparator.inferencers.gguf_grammar import GrammarSampler, TokenTable
from tests.support import tiny_gguf

_END = 256


class _Bytes:
    """A vocabulary of bytes, in the shape that llguidance takes."""

    eos_token_id, bos_token_id = _END, None
    tokens = [bytes([n]) for n in range(256)] + [b"</s>"]
    special_token_ids = [_END]  # noqa: RUF012

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


BYTES = llguidance.LLTokenizer(llguidance.TokenizerWrapper(_Bytes()))


def random_text(grammar: Grammar, seed: int, hurry: float) -> str:
    """A text of the grammar's lark form. With ``hurry`` as a chance the way on is one that ends something."""
    chance = random.Random(seed)
    matcher = llguidance.LLMatcher(BYTES, llguidance.LLMatcher.grammar_from_lark(grammar.lark))
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


def is_gbnf_text(grammar: Grammar, vocab: object, n_vocab: int, text: str) -> bool:
    """Whether ``text`` is one of the grammar's GBNF form, by llama.cpp with the vocabulary of ``tiny_gguf``."""
    tokens = TokenTable.of([None] * n_vocab, np.zeros(n_vocab, np.bool_))
    sampler = GrammarSampler(ModelConfig(), vocab, n_vocab, tokens, grammar.gbnf, np.zeros(n_vocab, np.uint8))
    try:
        for token in tiny_gguf.byte_tokens(text):
            if not len(sampler._allowed(sampler._all[[token]])):
                return False
            llama_cpp.llama_sampler_accept(sampler._grammar, token)
        return bool(len(sampler._allowed(sampler._all[[tiny_gguf.EOS]])))
    finally:
        sampler.close()
