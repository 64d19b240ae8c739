"""A group in the editor."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from multi_llm_comparator.groups.group_entries import GroupEntry, LevelEntry

MAX_LEVELS = 12


@dataclass
class Draft:
    """A group in the editor. ``known_as`` is its name in the file, None for a new one; ``text`` the file as it was when
    the editor was opened; ``key`` tells this opening from others; ``levels`` the form's, by numbers of its own."""

    known_as: str | None
    text: str
    raw: dict[str, Any]
    entry: GroupEntry
    levels: dict[int, LevelEntry]
    weights: dict[str, int]
    key: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def add_level(self) -> None:
        number = max(self.levels, default=-1) + 1
        taken = {level.name for level in self.levels.values()}
        name = next(name for n in range(1, MAX_LEVELS + 2) if (name := f"level{n}") not in taken)
        self.levels[number] = LevelEntry(name)

    def remove_level(self, number: int) -> None:
        del self.levels[number]
