"""From the logits that llama.cpp holds to the next token of an answer."""

from __future__ import annotations

import ctypes
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import llama_cpp
import numpy as np

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.array_sampling import ArraySampler
from multi_llm_comparator.inferencers.base import NO_NUMBERS
from multi_llm_comparator.inferencers.constraints import Matcher
from multi_llm_comparator.inferencers.logit_edits import LogitEdits
from multi_llm_comparator.inferencers.thoughts import ThoughtBudget
from multi_llm_comparator.inferencers.token_chances import Chances

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
    """One answer's way from the logits that llama.cpp holds to the next token.

    Before it is picked ``edits`` change the logits; ``thought_ending`` gives the tokens that end a thought. ``chances``
    are those of the token picked last, from the logits as the model gave them, where they are asked for.
    """

    def __init__(
        self,
        config: ModelConfig,
        n_vocab: int,
        edits: LogitEdits | None = None,
        thought_ending: Callable[[], Sequence[int]] = tuple,
    ) -> None:
        self.seed = choose_seed(config)
        self._edits = edits if edits is not None and not edits.are_none else None
        self._budget = None
        if config.thinking_budget is not None:
            self._budget = ThoughtBudget(config.thinking_budget, thought_ending)
        self.chances = None if config.top_logprobs is None else Chances(config.top_logprobs)
        self._row = ctypes.c_float * n_vocab
        self._sampler = ArraySampler(config, self.seed)

    def pick(self, context: Any, row: int, matcher: Matcher | None = None) -> int:
        """The next token, from the logits of a row of the batch that was decoded last, which are changed for good.

        With a ``matcher``, one that may follow there.

        Raises:
            InferenceError: the model's output was not a number.
            GrammarError: no token may follow.
        """
        pointer = llama_cpp.llama_get_logits_ith(context, row)
        held: Any = self._row.from_address(ctypes.addressof(pointer.contents))
        logits = np.frombuffer(held, np.float32)
        # The largest is no number if any is none; afterwards, those would be none that may follow.
        peak = float(logits.max())
        check_logit(peak)
        if self.chances is not None:
            self.chances.look(logits, peak)
        if self._edits is not None and (added := self._edits.added()):
            logits[list(added)] += np.array(list(added.values()), np.float32)
        if matcher is not None:
            forbidden = matcher.forbidden()
            matcher.check()
            logits[forbidden] = -np.inf
        if self._budget is not None and (must := self._budget.next_token) is not None:
            kept = logits[must]
            logits[:] = -np.inf
            logits[must] = kept
        return self._sampler.pick(logits)

    def remember(self, token: int) -> None:
        """Take note of a token of the answer that was not picked here."""
        self._sampler.remember(token)

    def taken(self, token: int, *, is_thinking: bool = False) -> None:
        """Take note of each token of the answer, whoever picked it; ``is_thinking``: a thought is open behind it."""
        if self._edits is not None:
            self._edits.take(token)
        if self._budget is not None:
            self._budget.take(token, is_thinking=is_thinking)
