"""What a mistyped name may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MAX_KNOWN_CHARS = 400


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error about ``name``: the names like it, else all there are. Begins with a semicolon."""
    # Compared without case, which is what most slips are about.
    by_folded: dict[str, str] = {}
    for each in known:
        by_folded.setdefault(each.casefold(), each)
    close = difflib.get_close_matches(name.casefold(), list(by_folded), n=3)
    if close:
        return f"; did you mean {' or '.join(repr(by_folded[each]) for each in close)}?"
    return f"; known are {', '.join(sorted(by_folded.values())) or 'none'}"[:MAX_KNOWN_CHARS]
