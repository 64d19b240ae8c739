"""Conversations whose keys and values are kept, so that the next turn reads only what is new."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from multi_llm_comparator.inferencers.transformers_seam import RowState

# Below this it is as quick to read the tokens again.
MIN_SHARED_TOKENS = 4


@dataclass
class Kept:
    """A conversation that ended: its tokens and their keys and values, which only rows of the same ``key`` may use."""

    tokens: list[int]
    state: RowState
    key: Hashable = None


class KeptConversations:
    """The last conversations, bounded in number and in tokens; the oldest go first."""

    def __init__(self, max_conversations: int, max_tokens: int) -> None:
        self._max_conversations = max_conversations
        self._max_tokens = max_tokens
        self._kept: deque[Kept] = deque()

    def keep(self, tokens: list[int], state: RowState, key: Hashable = None) -> None:
        """Remember a conversation; what it contains as its own beginning is forgotten."""
        self._kept = deque(kept for kept in self._kept if kept.key != key or tokens[: len(kept.tokens)] != kept.tokens)
        self._kept.append(Kept(tokens, state, key))
        while len(self._kept) > self._max_conversations or self.tokens > self._max_tokens:
            self._kept.popleft()

    def longest(self, tokens: Sequence[int], key: Hashable = None) -> tuple[Kept | None, int]:
        """The conversation of this key that begins like ``tokens`` for longest, and for how many tokens."""
        best, best_count = None, 0
        for kept in self._kept:
            count = shared_prefix(kept.tokens, tokens) if kept.key == key else 0
            if count > best_count:
                best, best_count = kept, count
        return best, best_count

    def clear(self) -> None:
        self._kept.clear()

    @property
    def tokens(self) -> int:
        return sum(len(kept.tokens) for kept in self._kept)


def shared_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two lists have in common from the beginning."""
    for i, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return i
    return min(len(one), len(other))
