"""The sequences of a context: who has which, and what of an earlier prompt can be used again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import llama_cpp

# Copying a shorter beginning than this from another sequence is not worth the bookkeeping.
MIN_COPIED_TOKENS = 8


@dataclass(eq=False, slots=True)
class Slot:
    """One sequence. ``tokens`` are those in its memory, ``coming`` is the prompt that they begin with while busy.

    ``awaits`` is a slot that is still reading the beginning of a prompt that this one shares, and that prompt. What
    another ``adapter`` made of the same tokens is of no use.
    """

    sequence: int
    tokens: list[int] = field(default_factory=list)
    coming: list[int] = field(default_factory=list)
    awaits: tuple[Slot, list[int]] | None = None
    is_busy: bool = False
    used_at: int = 0
    adapter: Hashable = None

    @property
    def promised(self) -> list[int]:
        """The tokens that it holds, or will hold once its prompt is read."""
        return self.coming if len(self.coming) > len(self.tokens) else self.tokens


def common_prefix(a: list[int], b: list[int]) -> int:
    """How many tokens ``a`` and ``b`` have in common at the beginning."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    return next(i for i in range(n) if a[i] != b[i])


class SlotTable:
    """Hands out sequences so that as little as possible of a prompt must be read again.

    A finished answer's sequence keeps its memory until another needs the place. ``is_stateful`` models (recurrent,
    hybrid) carry a running state: no part of a sequence can be copied, and none cut off unless llama.cpp agrees.
    """

    def __init__(self, memory: Any, n_slots: int, *, is_stateful: bool, limit: int | None = None) -> None:
        """``limit``: how many of them may be busy at once; all by default."""
        self._memory = memory
        self._is_stateful = is_stateful
        self._slots = [Slot(i) for i in range(n_slots)]
        self._limit = n_slots if limit is None else limit
        self._clock = count(1)

    @property
    def has_idle(self) -> bool:
        return self.n_busy < self._limit and any(not slot.is_busy for slot in self._usable)

    @property
    def n_busy(self) -> int:
        return sum(slot.is_busy for slot in self._slots)

    @property
    def held_tokens(self) -> int:
        """Tokens in all sequences; what several share counts in each."""
        return sum(len(slot.tokens) for slot in self._slots)

    @property
    def _usable(self) -> list[Slot]:
        return self._slots[: self._limit]

    def limit(self, n_slots: int) -> None:
        """Have at most so many busy at once from now on. What lies unused in others would make each step slower."""
        self._limit = max(1, min(n_slots, len(self._slots)))
        for slot in self._slots[self._limit :]:
            if slot.tokens and not slot.is_busy:
                self.clear(slot)

    def take(self, prompt: list[int], adapter: Hashable = None) -> Slot:
        """An idle slot for ``prompt``, now busy, with as much of it as is known. One token is always left to read."""
        best = max(self._slots, key=lambda slot: (self._reusable(prompt, slot, adapter), not slot.is_busy))
        reusable = self._reusable(prompt, best, adapter)
        others = [slot for slot in self._usable if not slot.is_busy and slot is not best]
        # Cutting off most of a long conversation for its first few tokens would be a poor trade; asking the same again
        # is not, and what lies unused in other slots makes each step slower.
        is_close = 2 * reusable >= len(best.tokens) or reusable == len(prompt) - 1
        if not best.is_busy and (is_close or not others):
            slot = best
            self._cut(slot, reusable)
        else:
            slot = min(others, key=lambda slot: (bool(slot.tokens), slot.used_at))
            self.clear(slot)
            if reusable >= MIN_COPIED_TOKENS and not self._is_stateful:
                slot.awaits = (best, best.coming)
        slot.is_busy, slot.coming, slot.used_at, slot.adapter = True, prompt, next(self._clock), adapter
        self.is_ready(slot)
        return slot

    def is_ready(self, slot: Slot) -> bool:
        """Whether the slot's prompt can be read on; false while another slot reads the beginning they share."""
        if slot.awaits is None:
            return True
        source, leading = slot.awaits
        # Bound to that very prompt: whoever gets the slot next may in turn wait for this one.
        is_reading = source.is_busy and source.coming is leading
        if is_reading and len(source.tokens) < min(common_prefix(slot.coming, leading), len(slot.coming) - 1):
            return False
        slot.awaits = None
        shared = min(common_prefix(slot.coming, source.tokens), len(slot.coming) - 1)
        if shared and source.adapter != slot.adapter:
            shared = 0
        if shared:
            llama_cpp.llama_memory_seq_cp(self._memory, source.sequence, slot.sequence, 0, shared)
        slot.tokens = slot.coming[:shared]
        return True

    def release(self, slot: Slot, *, forget: bool = False) -> None:
        """The answer is over; what the slot holds may serve a later prompt, unless it is to be forgotten."""
        if forget or slot.sequence >= self._limit:
            self.clear(slot)
        slot.is_busy, slot.coming, slot.awaits, slot.used_at = False, [], None, next(self._clock)

    def clear(self, slot: Slot) -> None:
        """Forget what the slot holds."""
        llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, -1, -1)
        slot.tokens = []

    def evict(self) -> bool:
        """Forget the idle slot that was used longest ago; False when none holds anything."""
        idle = [slot for slot in self._slots if slot.tokens and not slot.is_busy]
        if not idle:
            return False
        self.clear(min(idle, key=lambda slot: slot.used_at))
        return True

    def _reusable(self, prompt: list[int], slot: Slot, adapter: Hashable) -> int:
        if slot.adapter != adapter:
            return 0
        shared = min(common_prefix(prompt, slot.promised), len(prompt) - 1)
        return 0 if self._is_stateful and shared < len(slot.promised) else shared

    def _cut(self, slot: Slot, length: int) -> None:
        """Keep the first ``length`` tokens, or none where the model's state cannot go back."""
        if length == len(slot.tokens):
            return
        if llama_cpp.llama_memory_seq_rm(self._memory, slot.sequence, length, -1):
            slot.tokens = slot.tokens[:length]
        else:
            self.clear(slot)
