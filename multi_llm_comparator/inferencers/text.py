"""From pieces of tokens to text that may be shown: whole characters only, and nothing past a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Iterable


class StopMatcher:
    """Finds the first stop text in a stream, whatever the pieces it arrives in.

    The first one is the one that is complete first; of several that end together, the longest. Text that could still
    become a stop text is held back, so nothing of a stop text is ever emitted.
    """

    def __init__(self, stops: Iterable[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._beginnings = frozenset(stop[0] for stop in self._stops)
        self._reach = max(map(len, self._stops), default=1) - 1
        self._held = ""
        self.hit = ""  # the stop text that was met

    def push(self, text: str) -> tuple[str, bool]:
        """Take the next piece; returns the text that is safe to emit, and whether a stop text was met."""
        if not self._stops:
            return text, False
        if self.hit:
            return "", True
        text = self._held + text
        if (found := self._first_stop(text)) is not None:
            start, self.hit = found
            self._held = ""
            return text[:start], True
        cut = self._unsettled(text)
        self._held = text[cut:]
        return text[:cut], False

    def flush(self) -> str:
        """The text held back, once it is known that nothing follows."""
        held, self._held = self._held, ""
        return held

    def _first_stop(self, text: str) -> tuple[int, str] | None:
        """Where the stop text begins that is complete first in ``text``, and which one it is."""
        found = [(start + len(stop), start, stop) for stop in self._stops if (start := text.find(stop)) >= 0]
        return min(found)[1:] if found else None

    def _unsettled(self, text: str) -> int:
        """Where the part of ``text`` begins that may turn out to be a stop text's beginning."""
        for i in range(max(0, len(text) - self._reach), len(text)):
            if text[i] in self._beginnings and any(stop.startswith(text[i:]) for stop in self._stops):
                return i
        return len(text)


def utf8_decoder() -> codecs.IncrementalDecoder:
    """From bytes of UTF-8, cut anywhere, to text: characters stay whole, bytes that are no UTF-8 become U+FFFD, and a
    character that never became whole is left out."""
    return codecs.getincrementaldecoder("utf-8")("replace")
