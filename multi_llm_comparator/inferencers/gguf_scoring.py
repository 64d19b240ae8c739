"""Scoring with a GGUF model, in a llama.cpp context of its own beside the one that answers are written in.

A kept beginning is a sequence. Rows share its cells (``llama_memory_seq_cp``) and are read in one call, the texts that
they compare share those of their row and are read in a second one. The cache is one for all sequences
(``kv_unified``): with one for each, sharing would be copying.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import llama_cpp
import numpy as np

from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.scores import COARSE_TIE_NATS, TIE_NATS
from multi_llm_comparator.inferencers.base import as_request_error
from multi_llm_comparator.inferencers.chat import ChatTemplate, PromptPart
from multi_llm_comparator.inferencers.gguf_batch import Batch
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime, error_log
from multi_llm_comparator.inferencers.gguf_vocabulary import Vocabulary
from multi_llm_comparator.inferencers.score_lines import Floats, Lines
from multi_llm_comparator.inferencers.score_plan import Held, Row

# Sequences for kept beginnings (one more than are kept, for the one being read), rows, and the texts behind rows.
KEPT, MAX_ROWS, MAX_TAILS = 6, 32, 48
# Chunks of a prompt that one step reads when nobody waits for the next token of an answer.
QUIET_CHUNKS = 2


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive tokens of a sequence in a batch: what is read, where, and whose logits are wanted at its end."""

    tokens: Sequence[int]
    position: int
    sequence: int
    n_logits: int


class GgufScoring:
    """The :class:`~inferencers.scorer.ScoreBackend` of a GGUF model that an engine holds.

    Its context is made with the first request: as large as the one that answers share, and at least as what one request
    and a batch take.

    Raises:
        ModelLoadError: there is no memory for it.
    """

    max_rows = MAX_ROWS
    on_close: Callable[[], None] | None = None

    def __init__(self, runtime: LlamaRuntime, n_vocab: int, chunk: int) -> None:
        self.n_vocab, self.can_share = n_vocab, not runtime.is_stateful
        self.shared_step_tokens, self.step_tokens = chunk, QUIET_CHUNKS * chunk
        room = runtime.n_ctx + 2 * self.step_tokens
        self.tie_nats = TIE_NATS if runtime.is_exact else COARSE_TIE_NATS
        self._context = runtime.open_scoring(KEPT + MAX_ROWS + MAX_TAILS, room, self.step_tokens)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._capacity = int(llama_cpp.llama_n_batch(self._context))
        self.step_tokens = min(self.step_tokens, self._capacity)
        self.held_tokens = int(llama_cpp.llama_n_ctx(self._context)) - room
        self._batch = Batch(self._capacity)
        self._free = list(range(KEPT))

    @property
    def context(self) -> Any:
        """Its llama.cpp context; None once it is closed."""
        return self._context

    def as_error(self, exc: Exception) -> MultiLLMError:
        return as_request_error(exc)

    def copy(self, held: Held | None, length: int) -> Held:
        sequence = self._free.pop()
        if held is not None and length:
            llama_cpp.llama_memory_seq_cp(self._memory, held.state, sequence, 0, length)
            return Held(held.tokens[:length], sequence)
        return Held([], sequence)

    def grow(self, held: Held, tokens: Sequence[int], n_logits: int) -> Lines | None:
        lines: list[Floats] = []
        for begin in range(0, len(tokens), self._capacity):
            part = tokens[begin : begin + self._capacity]
            wanted = max(0, min(len(part), n_logits - (len(tokens) - begin - len(part))))
            lines += self._decode([_Run(part, len(held.tokens) + begin, held.state, wanted)])
        return Lines.of(np.concatenate(lines)) if n_logits else None

    def forget(self, held: Held) -> None:
        if held.state is not None:
            llama_cpp.llama_memory_seq_rm(self._memory, held.state, -1, -1)
            self._free.append(held.state)
            held.state = None

    def batch(self, held: Held | None, length: int, rows: Sequence[Row]) -> list[list[Lines]]:
        try:
            return self._score(held, length, rows)
        finally:
            for sequence in range(KEPT, KEPT + MAX_ROWS + MAX_TAILS):
                llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)

    def alone(self, tokens: Sequence[int], n_logits: int) -> Lines:
        llama_cpp.llama_memory_clear(self._memory, True)
        lines = self.grow(Held([], 0), tokens, n_logits)
        assert lines is not None
        return lines

    def set_threads(self, n_threads: int) -> None:
        """Use so many threads from the next step on."""
        if self._context:
            llama_cpp.llama_set_n_threads(self._context, n_threads, n_threads)

    def close(self) -> None:
        if self._context:
            if self.on_close is not None:
                self.on_close()
            llama_cpp.llama_free(self._context)
        self._context = None

    def _score(self, held: Held | None, length: int, rows: Sequence[Row]) -> list[list[Lines]]:
        runs = []
        for number, row in enumerate(rows):
            sequence = KEPT + number
            if held is not None and length:
                llama_cpp.llama_memory_seq_cp(self._memory, held.state, sequence, 0, length)
            runs.append(_Run(row.context[length:], length, sequence, 1))
        firsts = self._decode(runs)
        found: list[list[Floats]] = [[first] * len(row.tails) for first, row in zip(firsts, rows, strict=True)]
        long = [
            (number, which, tail[:-1])
            for number, row in enumerate(rows)
            for which, tail in enumerate(row.tails)
            if len(tail) > 1
        ]
        for group in self._groups(long):
            for (number, which, _), own in zip(group, self._tails(rows, group), strict=True):
                found[number][which] = np.concatenate([found[number][which], own])
        return [[Lines.of(one) for one in tails] for tails in found]

    def _groups(self, tails: Sequence[tuple[int, int, list[int]]]) -> Iterable[list[tuple[int, int, list[int]]]]:
        """As many tails at a time as there are sequences for, and as fit into a batch."""
        group: list[tuple[int, int, list[int]]] = []
        size = 0
        for one in tails:
            if group and (len(group) == MAX_TAILS or size + len(one[2]) > self._capacity):
                yield group
                group, size = [], 0
            group.append(one)
            size += len(one[2])
        if group:
            yield group

    def _tails(self, rows: Sequence[Row], group: Sequence[tuple[int, int, list[int]]]) -> list[Floats]:
        runs = []
        for i, (number, _, tokens) in enumerate(group):
            sequence, position = KEPT + MAX_ROWS + i, len(rows[number].context)
            llama_cpp.llama_memory_seq_rm(self._memory, sequence, -1, -1)
            llama_cpp.llama_memory_seq_cp(self._memory, KEPT + number, sequence, 0, position)
            runs.append(_Run(tokens, position, sequence, len(tokens)))
        return self._decode(runs)

    def _decode(self, runs: Sequence[_Run]) -> list[Floats]:
        """Read all runs in one call; for each the logits that it wants, of shape (places, vocabulary).

        Raises:
            InferenceError: llama.cpp could not.
        """
        batch = self._batch
        batch.clear()
        wanted: list[range] = []
        for run in runs:
            last = batch.add_run(run.tokens, run.position, run.sequence, last_wants_logits=run.n_logits > 0)
            wanted.append(range(last + 1 - run.n_logits, last + 1))
            batch.want_logits(wanted[-1])
        batch.struct.n_tokens = batch.rows
        error_log.begin()
        if code := int(llama_cpp.llama_decode(self._context, batch.struct)):
            raise InferenceError(
                f"llama.cpp failed to score (code {code}): {error_log.text or 'it gives no reason'}; "
                "raise n_ctx, or load the model again"
            )
        return [np.array([self._line(row) for row in rows], dtype=np.float32) for rows in wanted]

    def _line(self, row: int) -> Any:
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        if not pointer:
            raise InferenceError("llama.cpp gave no values for a token; load the model again")
        return np.ctypeslib.as_array(pointer, shape=(self.n_vocab,))


class GgufScoreTokenizer:
    """A GGUF model's tokenizer, as :class:`~inferencers.score_tokens.ScoreTokenizer` has it."""

    def __init__(self, vocabulary: Vocabulary, template: ChatTemplate, *, declares_begin: bool = True) -> None:
        self._vocabulary, self.template, self._declares_begin = vocabulary, template, declares_begin

    @property
    def begin(self) -> int | None:
        bos, eos = self._vocabulary.bos, self._vocabulary.eos
        # A made-up one is none that the checkpoint has: the two would be asked different things.
        return eos if bos is None or (eos is not None and not self._declares_begin) else bos

    def of_text(self, text: str) -> list[int]:
        return self._vocabulary.tokenize([PromptPart(text, is_template=False)])

    def of_parts(self, parts: Iterable[PromptPart]) -> list[int]:
        return self._vocabulary.tokenize(parts)

    def of_piece(self, text: str) -> list[int]:
        return self._vocabulary.tokens([PromptPart(text, is_template=False)])
