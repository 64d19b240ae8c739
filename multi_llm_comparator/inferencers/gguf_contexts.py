"""Contexts of their own for answers that must come out the same each time.

What changes an answer's sums in llama.cpp: how many rows are decoded in one call, where a prompt is cut while it is
read, which cells of the cache it lies in and, with flash attention on a CPU, the number of threads. So each holds one
sequence from the first cell on, reads prompts in stretches of one length, and writes one token a call, or those that
its constraint makes follow each other.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import llama_cpp

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError
from multi_llm_comparator.inferencers.gguf_runtime import LlamaRuntime
from multi_llm_comparator.inferencers.gguf_sight import is_image, own_batch
from multi_llm_comparator.inferencers.gguf_slots import Slot, common_prefix


class OwnContext:
    """One context with one sequence."""

    def __init__(self, context: Any, stretch: int, *, is_stateful: bool) -> None:
        self.context = context
        self.slot = Slot(0)
        self._stretch, self._is_stateful = stretch, is_stateful
        self._memory = llama_cpp.llama_get_memory(context)

    def begin(self, prompt: list[int], adapter: Hashable = None) -> None:
        """Take on a prompt. Whole stretches that it has in common with the one before need not be read again: they
        were read as they would be."""
        kept = min(self.known_of(prompt, adapter), len(prompt) - 1) // self._stretch * self._stretch
        if any(map(is_image, prompt)):
            # An image ends a stretch where it stands.
            kept = 0
        if not kept or not llama_cpp.llama_memory_seq_rm(self._memory, 0, kept, -1):
            self.clear()
            kept = 0
        self.slot.tokens, self.slot.coming, self.slot.is_busy = prompt[:kept], prompt, True
        self.slot.adapter = adapter

    def known_of(self, prompt: list[int], adapter: Hashable = None) -> int:
        """How many tokens of a prompt are in memory as reading them would leave them there."""
        if self.slot.adapter != adapter:
            return 0
        read = self.slot.coming[: len(self.slot.tokens)]
        return 0 if self._is_stateful else common_prefix(prompt, read)

    def clear(self) -> None:
        """Forget all, also the values themselves: what is no number would spoil sums even where it does not count."""
        llama_cpp.llama_memory_clear(self._memory, True)
        self.slot.tokens, self.slot.coming = [], []

    def release(self, *, forget: bool = False) -> None:
        """The answer is over; what of its prompt is read may serve a later one, unless it is to be forgotten."""
        if forget:
            self.clear()
        self.slot.is_busy = False


class OwnContexts:
    """As many contexts as were needed at once so far, at most as many as fit where the shared context's memory would.

    Args:
        runtime: the model.
        stretch: how many tokens of a prompt are read in one call.
        most: the bound.
        sees: whether images are read in them.
    """

    def __init__(self, runtime: LlamaRuntime, stretch: int, most: int, *, sees: bool = False) -> None:
        self._runtime, self.stretch, self._most = runtime, stretch, most
        # Images are read in as large pieces as elsewhere; some models must see one whole.
        self._n_batch = own_batch(stretch) if sees else stretch
        self._contexts: list[OwnContext] = []

    @property
    def has_room(self) -> bool:
        return len(self._contexts) < self._most or any(not own.slot.is_busy for own in self._contexts)

    def open(self, prompt: list[int], adapter: Hashable = None) -> OwnContext:
        """The idle one that knows most of ``prompt``, or a new one where none is idle.

        Raises:
            InsufficientMemoryError: there is no memory for another.
        """
        idle = [own for own in self._contexts if not own.slot.is_busy]
        if idle:
            return max(idle, key=lambda own: own.known_of(prompt, adapter))
        try:
            context = self._runtime.open_own(self._n_batch)
        except ModelLoadError as exc:
            raise InsufficientMemoryError(
                f"no context of its own, which a reproducible answer needs: {exc}, or switch Reproducible off"
            ) from exc
        self._contexts.append(OwnContext(context, self.stretch, is_stateful=self._runtime.is_stateful))
        return self._contexts[-1]

    def set_threads(self, n_threads: int) -> None:
        for own in self._contexts:
            llama_cpp.llama_set_n_threads(own.context, n_threads, n_threads)

    def close(self) -> None:
        """Free all contexts; harmless when done already."""
        for own in self._contexts:
            llama_cpp.llama_free(own.context)
        self._contexts.clear()
