"""Answers under a constraint, by llguidance in every engine: which tokens may follow, for a whole vocabulary at once.

Constraints come from anybody. Compiling one is tried in a process that can be ended, then done in a thread beside the
decode loop, so that other answers are written meanwhile. What a mask may take is bounded by llguidance.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

import llguidance
import numpy as np
from numpy.typing import NDArray

from multi_llm_comparator.core.constraints import JSON_SPACE, Constraint
from multi_llm_comparator.core.exceptions import CANNOT_WRITE, GrammarError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.grammar_closers import Ranks, closing_ranks

Mask = NDArray[np.bool_]
# How many compiled constraints are kept.
MAX_COMPILED = 32
TRIAL = Path(__file__).with_name("constraint_trial.py")
# A trial is ended by the kernel after seconds of processor time; this is for systems that know no such limit.
TRIAL_TIMEOUT_S = 60.0
STACK_BYTES = 8 * 2**20
# How long a step waits for a constraint where there is nothing else to do.
WAIT_S = 0.02
MAX_REASON = 500
# A state of the lexer takes 1 to 2 kB; llguidance's own bound is five times as high.
MAX_LEXER_STATES = 50_000
# What most tokens are made of where text is free: masks of these are computed once for a vocabulary, which makes those
# of whatever allows them ten times as fast. llguidance's own are for JSON, the last one is for attributes in XML.
SLICES = [
    *llguidance.LLTokenizer.general_slices(),
    r"[ !#-%'-;=-~\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]{1,32}",
]


class Matcher:
    """Where one answer stands in its constraint.

    Args:
        matcher: llguidance's, at the beginning.
        n_vocab: how many logits the model gives.
        ranks: how soon each token leads to the end, shape (vocabulary,).
        reserve: how many tokens before the last one the end is to be sought.
    """

    def __init__(self, matcher: llguidance.LLMatcher, n_vocab: int, ranks: Ranks | None, reserve: int) -> None:
        self._matcher, self._n_vocab = matcher, n_vocab
        self._ranks, self._reserve = ranks, reserve
        self.is_stuck = False
        self.is_closing = False

    @property
    def is_used_up(self) -> bool:
        """Whether nothing can follow."""
        return bool(self._matcher.is_stopped())

    def forbidden(self) -> Mask:
        """Which tokens must not follow, shape (vocabulary,); those that end a text may where it may end.

        All are forbidden where none may follow or the constraint proves too complex; :meth:`check` tells.
        """
        entries = np.frombuffer(self._matcher.compute_logit_bias(), dtype=np.uint8)[: self._n_vocab]
        mask: Mask = entries == 0
        self.is_stuck = self._matcher.is_error() or bool(mask.all())
        if self.is_stuck:
            mask[:] = True
        elif self.is_closing and self._ranks is not None:
            mask |= self._ranks != self._ranks[~mask].min()
        return mask

    def check(self) -> None:
        """See that something may follow.

        Raises:
            GrammarError: nothing may.
        """
        if self.is_stuck:
            reason = self._matcher.get_error()
            raise GrammarError(f"{CANNOT_WRITE} ({reason[:MAX_REASON]})" if reason else CANNOT_WRITE)

    def accept(self, token: int, tokens_left: int) -> None:
        """Go on by a token that may follow; with few tokens left, what follows is brought to its end."""
        self._matcher.consume_token(token)
        self.is_closing = tokens_left <= self._reserve

    def forced(self) -> list[int]:
        """The tokens that must follow, as the model's tokenizer writes them; none where there is a choice."""
        return [] if self.is_used_up else self._matcher.compute_ff_tokens()


# A constraint that is compiled, or is going to be: makes matchers at its beginning.
Compiled = Future[Callable[[], Matcher]]


class ConstraintCompiler:
    """Makes matchers for one model's vocabulary, which is read once, when first needed: that takes a second.

    Args:
        read_vocabulary: reads it; called in the compiler's thread.
        n_vocab: how many logits the model gives, which may be more than the tokenizer has tokens.
        stop_ids: the tokens that end an answer.
    """

    def __init__(
        self, read_vocabulary: Callable[[], llguidance.LLTokenizer], n_vocab: int, stop_ids: frozenset[int]
    ) -> None:
        self._read_vocabulary, self._n_vocab, self._stop_ids = read_vocabulary, n_vocab, stop_ids
        self._vocabulary: llguidance.LLTokenizer | None = None
        self._ranks: dict[tuple[str, ...], Ranks] = {}
        self._thread = ThreadPoolExecutor(1, "constraints")
        self._kept: OrderedDict[Constraint, Compiled] = OrderedDict()
        self._wanted: dict[str, Compiled] = {}

    def begin(self, request: GenerationRequest) -> None:
        """Start on the request's constraint, if it has one."""
        constraint = request.constraint
        if constraint is None:
            return
        if constraint not in self._kept:
            # The thread is begun with the first.
            usual = threading.stack_size(STACK_BYTES)
            self._kept[constraint] = self._thread.submit(self._compile, constraint)
            threading.stack_size(usual)
        self._kept.move_to_end(constraint)
        if len(self._kept) > MAX_COMPILED:
            self._kept.popitem(last=False)
        self._wanted[request.id] = self._kept[constraint]

    def is_ready(self, request: GenerationRequest) -> bool:
        """Whether :meth:`take` has an answer, be it an error."""
        return request.id not in self._wanted or self._wanted[request.id].done()

    def take(self, request: GenerationRequest) -> Matcher | None:
        """A matcher at the beginning of the request's constraint; None for a request without one.

        Raises:
            GrammarError: it cannot be compiled, or takes too much, or the model's tokenizer is of a kind that cannot be
                held to one.
        """
        compiled = self._wanted.pop(request.id, None)
        if compiled is None:
            return None
        problem = compiled.exception()
        if problem is not None and not isinstance(problem, Exception):
            # A panic of llguidance's, which is meant to end the process, and with it all other answers.
            raise GrammarError(f"the constraint cannot be compiled: {str(problem)[:MAX_REASON]}") from problem
        return compiled.result()()

    def leave(self, request_id: str) -> None:
        """The request is not wanted any more."""
        self._wanted.pop(request_id, None)

    def wait(self) -> None:
        """Wait a moment for a constraint, if one is being compiled."""
        if compiling := [compiled for compiled in self._wanted.values() if not compiled.done()]:
            wait(compiling, timeout=WAIT_S, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        """Compile nothing more; the vocabulary is not used afterwards."""
        self._thread.shutdown(cancel_futures=True)
        self._kept.clear()
        self._wanted.clear()
        self._vocabulary = None

    def _compile(self, constraint: Constraint) -> Callable[[], Matcher]:
        grammar = notation(constraint)
        _try(grammar)
        if self._vocabulary is None:
            self._vocabulary = self._read()
        limits = llguidance.LLParserLimits(max_lexer_states=MAX_LEXER_STATES)
        first = llguidance.LLMatcher(self._vocabulary, grammar, log_level=0, limits=limits)
        if first.is_error():
            raise GrammarError(f"the constraint cannot be read: {first.get_error()[:MAX_REASON]}")
        # What it takes to compute the first mask is kept for all.
        first.compute_bitmask()
        ranks = self._closing_ranks(constraint.closers) if constraint.closers else None
        return partial(_copy, first, self._n_vocab, ranks, constraint.reserve)

    def _read(self) -> llguidance.LLTokenizer:
        try:
            return self._read_vocabulary()
        except ValueError as exc:
            raise GrammarError(f"this model's tokenizer cannot be held to a constraint: {exc}") from exc

    def _closing_ranks(self, closers: tuple[str, ...]) -> Ranks:
        if closers not in self._ranks:
            assert self._vocabulary is not None
            decode = self._vocabulary.decode_bytes
            pieces = (None if t in self._stop_ids else decode([t]) for t in range(self._n_vocab))
            # One kind of text is written with closers as a rule; the vocabulary is read once for it.
            self._ranks = {closers: closing_ranks(pieces, closers)}
        return self._ranks[closers]


def _copy(first: llguidance.LLMatcher, n_vocab: int, ranks: Ranks | None, reserve: int) -> Matcher:
    return Matcher(first.deep_copy(), n_vocab, ranks, reserve)


def _try(grammar: str) -> None:
    """See that compiling comes to an end, in bounded time and memory.

    Raises:
        GrammarError: it does not.
    """
    try:
        command = [sys.executable, "-I", str(TRIAL)]
        subprocess.run(command, input=grammar.encode(), capture_output=True, check=True, timeout=TRIAL_TIMEOUT_S)
    except (subprocess.SubprocessError, OSError) as exc:
        raise GrammarError(
            f"the constraint takes too much time or memory to compile ({exc}); make it smaller, or say less at once"
        ) from exc


def notation(constraint: Constraint) -> str:
    """The constraint as llguidance reads it."""
    if constraint.json_schema is not None:
        return llguidance.LLMatcher.grammar_from_json_schema(
            constraint.json_schema, overrides={"whitespace_pattern": JSON_SPACE}
        )
    if constraint.lark is not None:
        return llguidance.LLMatcher.grammar_from_lark(constraint.lark)
    regex = constraint.regex or "|".join("".join(map(_literal, choice)) for choice in constraint.choices)
    return llguidance.LLMatcher.grammar_from_regex(regex)


def _literal(character: str) -> str:
    """A character in a regular expression that means itself."""
    return character if character.isascii() and character.isalnum() else rf"\x{{{ord(character):x}}}"
