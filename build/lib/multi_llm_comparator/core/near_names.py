"""What a mistyped name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_KNOWN_CHARS = 400
# Comparing takes time that grows with the square of a name's length; nothing named by a person is longer, or more.
MAX_NAME_CHARS = 200
MAX_COMPARED = 1_000


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about ``name``: the names like it, else all there are. Begins with a semicolon."""
    # Compared without case, which is what most slips are about.
    by_folded: dict[str, str] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), each)
    few = [each for each in by_folded if len(each) <= MAX_NAME_CHARS][:MAX_COMPARED]
    close = difflib.get_close_matches(name.casefold(), few, n=3) if len(name) <= MAX_NAME_CHARS else ()
    if close:
        return f"; did you mean {' or '.join(repr(by_folded[each]) for each in close)}?"
    return f"; known are {', '.join(sorted(by_folded.values())) or 'none'}"[:MAX_KNOWN_CHARS]
