"""Answering one after another: each request has the machine to itself while all models stay in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.request_queue import MAX_WAITING


class Turns:
    """The requests that are being answered or wait for that, first come, first served. Bound to one event loop."""

    def __init__(self) -> None:
        self._line: list[Place] = []

    @contextlib.contextmanager
    def place(self) -> Iterator[Place]:
        """A place at the end of the line while the block runs.

        Raises:
            InferenceError: too many wait.
        """
        if len(self._line) >= MAX_WAITING:
            raise InferenceError(f"{len(self._line)} requests wait already; try again later")
        place = Place(self._line)
        self._line.append(place)
        try:
            yield place
        finally:
            self._line.remove(place)
            for other in self._line:
                other.moved.set()


class Place:
    """One request's place in the line."""

    def __init__(self, line: list[Place]) -> None:
        self._line = line
        self.moved = asyncio.Event()

    async def come_up(self) -> AsyncIterator[int]:
        """How many are before this one, each time that changes; ends when nobody is."""
        told = 0
        while ahead := self._line.index(self):
            if ahead != told:
                told = ahead
                yield ahead
            self.moved.clear()
            await self.moved.wait()
