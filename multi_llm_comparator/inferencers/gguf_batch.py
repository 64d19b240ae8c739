"""The rows of one decode step, in arrays that are reused from step to step."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime, error_log

_WARM_UP_TOKENS = 8


class Batch:
    """At most ``capacity`` rows; each is a token at a position of a sequence. Only some rows want logits."""

    def __init__(self, capacity: int) -> None:
        self._tokens = (llama_cpp.llama_token * capacity)()
        self._positions = (llama_cpp.llama_pos * capacity)()
        self._sequences = (llama_cpp.llama_seq_id * capacity)()
        self._wants_logits = (ctypes.c_int8 * capacity)()
        # Every row belongs to one sequence: the counts and the pointers to the sequences never change.
        counts = (ctypes.c_int32 * capacity)(*[1] * capacity)
        size = ctypes.sizeof(llama_cpp.llama_seq_id)
        base = ctypes.addressof(self._sequences)
        pointer = ctypes.POINTER(llama_cpp.llama_seq_id)
        pointers = (pointer * capacity)(*(ctypes.cast(base + i * size, pointer) for i in range(capacity)))
        self._kept = (counts, pointers)
        self.struct = llama_cpp.llama_batch(
            n_tokens=0,
            token=self._tokens,
            pos=self._positions,
            n_seq_id=counts,
            seq_id=pointers,
            logits=self._wants_logits,
        )
        self.rows = 0

    def clear(self) -> None:
        self.rows = 0

    def add_run(self, tokens: Sequence[int], position: int, sequence: int, *, last_wants_logits: bool) -> int:
        """Add consecutive tokens of a text; returns the index of the last row."""
        begin, n = self.rows, len(tokens)
        end = begin + n
        self._tokens[begin:end] = list(tokens)
        self._positions[begin:end] = list(range(position, position + n))
        self._sequences[begin:end] = [sequence] * n
        for row in range(begin, end):
            self._wants_logits[row] = 0
        self._wants_logits[end - 1] = last_wants_logits
        self.rows = end
        return end - 1

    def want_logits(self, rows: Sequence[int]) -> None:
        """Have logits computed for these rows, too."""
        for row in rows:
            self._wants_logits[row] = 1


def first_steps(runtime: LlamaRuntime, batch: Batch, token: int) -> None:
    """Decode a few tokens: settings that crash do so now, while loading, and the weights are in memory after.

    Raises:
        ModelLoadError: llama.cpp fails; the model is closed then.
    """
    batch.clear()
    batch.add_run([token] * min(_WARM_UP_TOKENS, runtime.n_ctx), 0, 0, last_wants_logits=True)
    batch.struct.n_tokens = batch.rows
    if code := int(llama_cpp.llama_decode(runtime.context, batch.struct)):
        reason = error_log.text or "it gives no reason"
        runtime.close()
        raise ModelLoadError(
            f"{runtime.path!r}: llama.cpp fails to decode (code {code}): {reason}; fetch its file again, or take "
            "another quantization of it"
        )
    llama_cpp.llama_memory_clear(runtime.memory, True)
