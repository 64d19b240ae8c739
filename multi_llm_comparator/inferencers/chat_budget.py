"""What one rendering of a chat template may take in all: steps, memory and seconds.

:mod:`chat_bounds` sees that no single value becomes too large. A template can still make many values, or do nothing for
ever: so whatever it does is counted here.
"""

from __future__ import annotations

import time
from typing import Any

from jinja2.exceptions import SecurityError

MAX_STEPS = 1_000_000  # rounds of loops, calls and filters
MAX_MADE = 64 * 1024 * 1024  # about bytes, of all texts and lists that are made on the way
# Of this thread's processor time, so that a busy machine is not the template's fault.
MAX_SECONDS = 5.0
# Texts and lists have a head, lists a place for each entry.
_HEAD, _ENTRY = 64, 8
_STEPS_BETWEEN_LOOKS = 32
_LARGE = 65_536


class Budget:
    """Counts one rendering; each method raises ``jinja2.SecurityError`` when it is too much."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Count anew, from nothing."""
        self._steps = self._made = 0
        self._ends_at = time.thread_time() + MAX_SECONDS

    def step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SecurityError(f"it takes more than {MAX_STEPS} steps")
        if self._steps % _STEPS_BETWEEN_LOOKS == 0:
            self._look_at_the_clock()

    def step_aside(self) -> None:
        """The same for what may look at much and make nothing of it."""
        self.step()
        self._look_at_the_clock()

    def spend(self, size: int) -> None:
        """Count a text of so many characters."""
        self._made += _HEAD + size
        if self._made > MAX_MADE:
            raise SecurityError(f"it builds more than {MAX_MADE} characters and entries in all")
        if size > _LARGE:
            self._look_at_the_clock()

    def made(self, value: Any) -> Any:
        """``value``, counted if it is a text or a collection."""
        if isinstance(value, str | bytes):
            self.spend(len(value))
        elif isinstance(value, list | tuple | dict | set | frozenset):
            self.spend(_ENTRY * len(value))
        return value

    def _look_at_the_clock(self) -> None:
        if time.thread_time() > self._ends_at:
            raise SecurityError(f"it runs for more than {MAX_SECONDS:g} s")
