"""Sampling under a grammar with llama.cpp's grammar sampler, which tells of candidates whether they may follow.

Asking it about a whole vocabulary costs milliseconds. So the model's free choice is tried first, then its likeliest
tokens; and where none of those may follow, those letters alone that may, and then the tokens that begin with one.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import CANNOT_WRITE, GrammarError
from multi_llm_comparator.inferencers.gguf_runtime import error_log
from multi_llm_comparator.inferencers.gguf_sampling import Sampler, check_logit
from multi_llm_comparator.inferencers.grammar_closers import Ranks

# llama.cpp's parser calls itself for each parenthesis and for each rule within a rule.
MAX_NESTING, MAX_RULES = 64, 4096
# How many of the likeliest tokens are looked at before all are.
LIKELIEST = 256

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|#[^\n]*', re.DOTALL)
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
Candidates = NDArray[Any]


@dataclass(frozen=True)
class TokenTable:
    """What is known of a vocabulary's tokens, by id.

    ``silent``: they have no text of their own and do not end the text either. ``letters``: by ASCII code, the token
    that is this letter alone, or -1. ``first_letter``: the token of a token's first letter, or -1.
    """

    silent: NDArray[np.bool_]
    letters: NDArray[np.int32]
    first_letter: NDArray[np.int32]

    @classmethod
    def of(cls, pieces: Sequence[bytes | None], silent: NDArray[np.bool_]) -> TokenTable:
        """From the bytes of each token; None for those that end the text."""
        letters = np.full(128, -1, np.int32)
        for token, piece in enumerate(pieces):
            if piece and len(piece) == 1 and piece[0] < 128 and not silent[token]:
                letters[piece[0]] = token
        first = (letters[p[0]] if p and p[0] < 128 else -1 for p in pieces)
        return cls(silent, letters, np.fromiter(first, np.int32, len(pieces)))


class GrammarSampler(Sampler):
    """A sampler that keeps to a grammar in GBNF; a grammar that is used up leaves only tokens that end the text.

    Args:
        config: how to choose among what the grammar allows.
        vocab: llama.cpp's vocabulary.
        n_vocab: its size.
        tokens: what is known of its tokens.
        grammar: the grammar.
        ranks: how soon each token leads to the end, for ``is_closing``.

    Raises:
        GrammarError: llama.cpp cannot read the grammar.
    """

    def __init__(
        self, config: ModelConfig, vocab: Any, n_vocab: int, tokens: TokenTable, grammar: str, ranks: Ranks
    ) -> None:
        _check(grammar)
        error_log.begin()
        self._grammar: Any = llama_cpp.llama_sampler_init_grammar(vocab, grammar.encode("utf-8", "replace"), b"root")
        if not self._grammar:
            raise GrammarError(
                f"llama.cpp cannot read the grammar: {error_log.text or 'it gives no reason'}; write GBNF whose first "
                "rule is named 'root' and whose rules are all there"
            )
        super().__init__(config, n_vocab)
        self._vocab, self._tokens, self._ranks = vocab, tokens, ranks
        self._all = np.zeros(n_vocab, _CANDIDATE)
        self._all["id"] = np.arange(n_vocab)
        self._single = np.zeros(1, _CANDIDATE)

    def pick(self, context: Any, row: int) -> int:
        token = -1 if self.is_closing else self._free_choice(context, row)
        if token < 0 or not self._may_follow(token):
            self._read_logits(context, row)
            token = self._choose(self._closing() if self.is_closing else self._best_allowed())
        self._accept(token)
        return token

    def _free_choice(self, context: Any, row: int) -> int:
        """What the chain would take without a grammar."""
        if not self.looks_back:
            return super().pick(context, row)
        # Taking a token that way is remembered, and the grammar may want another.
        self._read_logits(context, row)
        return self._choose(self._all.copy())

    def _read_logits(self, context: Any, row: int) -> None:
        pointer = llama_cpp.llama_get_logits_ith(context, row)
        logits = np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (len(self._all),))
        # The largest is no number if any is none; looked for below, those would be none that may follow.
        check_logit(logits.max())
        self._all["logit"] = logits
        self._all["logit"][self._tokens.silent] = -np.inf

    def _may_follow(self, token: int) -> bool:
        if self._tokens.silent[token]:
            return False
        self._single[0] = (token, 0.0, 0.0)
        _apply(self._grammar, self._single)
        return bool(np.isfinite(self._single["logit"][0]))

    def close(self) -> None:
        if self._grammar:
            llama_cpp.llama_sampler_free(self._grammar)
        self._grammar = None
        super().close()

    def _best_allowed(self) -> Candidates:
        """The likeliest tokens that may follow.

        Raises:
            GrammarError: none may.
        """
        likeliest = self._all
        if len(self._all) > 2 * LIKELIEST:
            likeliest = self._all[np.argpartition(self._all["logit"], -LIKELIEST)[-LIKELIEST:]]
        allowed = self._allowed(likeliest)
        return allowed if len(allowed) else self._all_allowed()

    def _all_allowed(self) -> Candidates:
        """All tokens that may follow.

        Raises:
            GrammarError: none may.
        """
        letters = self._tokens.letters
        fits = np.zeros(len(self._all) + 1, np.bool_)
        fits[self._allowed(self._all[letters[letters >= 0]])["id"]] = True
        # What begins with no letter of the vocabulary's own (its letter is -1) is looked at in any case.
        fits[-1] = True
        allowed = self._allowed(self._all[fits[self._tokens.first_letter]])
        if not len(allowed):
            raise GrammarError(CANNOT_WRITE)
        return allowed

    def _closing(self) -> Candidates:
        """Of all that may follow, what leads to the end.

        Raises:
            GrammarError: nothing may follow.
        """
        allowed = self._all_allowed()
        ranks = self._ranks[allowed["id"]]
        best: Candidates = allowed[ranks == ranks.min()]
        return best

    def _allowed(self, candidates: Candidates) -> Candidates:
        """Those that may follow, as a copy."""
        asked = candidates.copy()
        _apply(self._grammar, asked)
        allowed: Candidates = asked[np.isfinite(asked["logit"])]
        return allowed

    def _choose(self, candidates: Candidates) -> int:
        """What the chain takes; it reorders ``candidates``."""
        return int(candidates["id"][_apply(self.chain, candidates)])

    def _accept(self, token: int) -> None:
        llama_cpp.llama_sampler_accept(self.chain, token)
        if not llama_cpp.llama_vocab_is_eog(self._vocab, token):
            llama_cpp.llama_sampler_accept(self._grammar, token)


def _apply(sampler: Any, candidates: Candidates) -> int:
    """Run a sampler over candidates in place; returns the place of the one it selects, if it does."""
    array = llama_cpp.llama_token_data_array(
        data=candidates.ctypes.data_as(llama_cpp.llama_token_data_p), size=len(candidates), selected=-1, sorted=False
    )
    llama_cpp.llama_sampler_apply(sampler, ctypes.byref(array))
    return int(array.selected)


def _check(grammar: str) -> None:
    """Refuse what could exhaust the stack of llama.cpp's parser, which would end this process."""
    bare = _LITERAL.sub("", grammar)
    depth = deepest = 0
    for char in re.findall("[()]", bare):
        depth += 1 if char == "(" else -1
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING:
        raise GrammarError(f"the grammar nests {deepest} parentheses; {MAX_NESTING} are allowed")
    if (rules := bare.count("::=")) > MAX_RULES:
        raise GrammarError(f"the grammar has {rules} rules; {MAX_RULES} are allowed")
    if "\0" in grammar:
        raise GrammarError("the grammar holds a character U+0000; write it as \\x00")
