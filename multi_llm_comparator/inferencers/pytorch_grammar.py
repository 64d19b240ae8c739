"""Answers under a grammar, by llguidance: which tokens may follow, in some 50 microseconds for a whole vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import llguidance
import numpy as np
import torch
from llguidance.hf import from_tokenizer

from multi_llm_comparator.core.exceptions import CANNOT_WRITE, GrammarError
from multi_llm_comparator.core.requests import Grammar
from multi_llm_comparator.inferencers.grammar_closers import closing_ranks


class GrammarMatcher:
    """Where one answer stands in its grammar."""

    def __init__(self, matcher: Any, ranks: torch.Tensor, reserve: int) -> None:
        self._matcher = matcher
        self._ranks, self._reserve = ranks, reserve
        self.is_stuck = False
        self.is_closing = False

    @property
    def is_used_up(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())

    def allowed(self) -> torch.Tensor:
        """Which tokens may follow, as bool of shape (vocabulary,); those that end a text where it may end.

        Where none may, or the grammar proves too complex, ``is_stuck`` says so.
        """
        mask = torch.from_numpy(np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8).copy()) > 0
        self.is_stuck = self._matcher.is_error() or not bool(mask.any())
        if self.is_closing and not self.is_stuck:
            mask &= self._ranks == self._ranks[mask].min()
        return mask & (not self.is_stuck)

    def check(self) -> None:
        """See that something may follow.

        Raises:
            GrammarError: nothing may.
        """
        if self.is_stuck:
            raise GrammarError(CANNOT_WRITE)

    def accept(self, token: int, tokens_left: int) -> None:
        """Go on by a token that may follow; with few tokens left, what follows is brought to its end."""
        self._matcher.consume_token(token)
        self.is_closing = tokens_left <= self._reserve


class GrammarCompiler:
    """Makes matchers for one model's vocabulary. Reading the vocabulary takes a second, once, when first needed.

    Args:
        tokenizer: the model's, of transformers.
        n_vocab: how many logits the model gives, which may be more than the tokenizer has tokens.
        stop_ids: the tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, n_vocab: int, stop_ids: Sequence[int]) -> None:
        self._tokenizer, self._n_vocab, self._stop_ids = tokenizer, n_vocab, list(stop_ids)
        self._vocabulary: Any = None
        self._ranks: dict[tuple[str, ...], torch.Tensor] = {}

    def compile(self, grammar: Grammar) -> GrammarMatcher:
        """A matcher at the beginning of the grammar.

        Raises:
            GrammarError: the grammar cannot be read, or the tokenizer is of a kind that cannot be held to one.
        """
        matcher = llguidance.LLMatcher(self._read_vocabulary(), llguidance.LLMatcher.grammar_from_lark(grammar.lark))
        if matcher.is_error():
            raise GrammarError(f"the grammar cannot be read: {matcher.get_error()[:500]}")
        return GrammarMatcher(matcher, self._closing_ranks(grammar.closers), grammar.reserve)

    def _closing_ranks(self, closers: tuple[str, ...]) -> torch.Tensor:
        if closers not in self._ranks:
            ends = set(self._stop_ids)
            pieces = (None if t in ends else self._vocabulary.decode_bytes([t]) for t in range(self._n_vocab))
            # One kind of text is written under a grammar as a rule; the vocabulary is read once for it.
            self._ranks = {closers: torch.from_numpy(closing_ranks(pieces, closers))}
        return self._ranks[closers]

    def _read_vocabulary(self) -> Any:
        if self._vocabulary is None:
            try:
                self._vocabulary = from_tokenizer(self._tokenizer, self._n_vocab, self._stop_ids or None)
            except ValueError as exc:
                raise GrammarError(f"this model's tokenizer cannot be held to a grammar: {exc}") from exc
        return self._vocabulary
