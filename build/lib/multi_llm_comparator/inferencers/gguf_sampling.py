"""llama.cpp's sampler chains, one per answer: from the model's logits to the next token, all in C."""

from __future__ import annotations

import ctypes
import math
import secrets
from typing import Any

import llama_cpp
import numpy as np

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.base import NO_NUMBERS
from multi_llm_comparator.inferencers.constraints import Matcher

# How many of the answer's last tokens a penalty looks back on. Prompt tokens do not count: words of the question
# may be repeated.
PENALTY_WINDOW = 64
NOT_A_NUMBER = f"{NO_NUMBERS}; fetch its file again, or take another quantization of it"


def choose_seed(config: ModelConfig) -> int | None:
    """The seed to use: the configured one, or a fresh one; None when nothing is left to chance."""
    if config.is_greedy:
        return config.seed
    return secrets.randbelow(2**32 - 1) if config.seed is None else config.seed


def check_logit(logit: float) -> None:
    """See that the model's output is a number.

    Raises:
        InferenceError: it is none.
    """
    if not math.isfinite(logit):
        raise InferenceError(NOT_A_NUMBER)


class Sampler:
    """One answer's chain: penalties, then top-k, top-p, temperature and a draw; or the likeliest token."""

    def __init__(self, config: ModelConfig, n_vocab: int) -> None:
        self.seed = choose_seed(config)
        self._row = ctypes.c_float * n_vocab
        self.chain: Any = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        if config.repeat_penalty != 1.0 or config.presence_penalty != 0.0:
            self._add(
                llama_cpp.llama_sampler_init_penalties(
                    n_vocab, PENALTY_WINDOW, config.repeat_penalty, 0.0, config.presence_penalty
                )
            )
        if config.is_greedy:
            self._add(llama_cpp.llama_sampler_init_greedy())
            return
        if config.top_k > 0:
            self._add(llama_cpp.llama_sampler_init_top_k(config.top_k))
        if config.top_p < 1.0:
            self._add(llama_cpp.llama_sampler_init_top_p(config.top_p, 1))
        self._add(llama_cpp.llama_sampler_init_temp(config.temperature))
        # The largest seed means "random" to llama.cpp.
        self._add(llama_cpp.llama_sampler_init_dist(min(self.seed or 0, llama_cpp.LLAMA_DEFAULT_SEED - 1)))

    def pick(self, context: Any, row: int, matcher: Matcher | None = None) -> int:
        """The next token, from the logits of a row of the batch that was decoded last.

        With a ``matcher``, one that may follow there; what must not is taken out of the logits for good.

        Raises:
            InferenceError: the model's output was not a number.
            GrammarError: no token may follow.
        """
        if matcher is not None:
            self._mask(context, row, matcher)
        token = int(llama_cpp.llama_sampler_sample(self.chain, context, row))
        # llama.cpp compares on regardless. Where one is no number all are, so the one at hand tells.
        check_logit(llama_cpp.llama_get_logits_ith(context, row)[token])
        return token

    def remember(self, token: int) -> None:
        """Take note of a token of the answer that was not picked here."""
        llama_cpp.llama_sampler_accept(self.chain, token)

    def _mask(self, context: Any, row: int, matcher: Matcher) -> None:
        pointer = llama_cpp.llama_get_logits_ith(context, row)
        held: Any = self._row.from_address(ctypes.addressof(pointer.contents))
        logits = np.frombuffer(held, np.float32)
        # The largest is no number if any is none; afterwards, those would be none that may follow.
        check_logit(float(logits.max()))
        forbidden = matcher.forbidden()
        matcher.check()
        logits[forbidden] = -np.inf

    def _add(self, sampler: Any) -> None:
        llama_cpp.llama_sampler_chain_add(self.chain, sampler)

    def close(self) -> None:
        """Free the chain; harmless when done already."""
        if self.chain:
            llama_cpp.llama_sampler_free(self.chain)
        self.chain = None
