"""Whom a page is drawn for: the guard tells it in headers of its own, which nobody else can send through it."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from multi_llm_comparator.core.callers import Caller
from multi_llm_comparator.core.page_headers import CALLER_HEADER, NAME_HEADER, SCOPES_HEADER

_OURS = frozenset(name.lower().encode() for name in (CALLER_HEADER, NAME_HEADER, SCOPES_HEADER))


def told_to_pages(headers: Iterable[tuple[bytes, bytes]], caller: Caller) -> list[tuple[bytes, bytes]]:
    """The headers of a request with whom it is for, in place of what it says of that itself."""
    said = {CALLER_HEADER: caller.id, NAME_HEADER: caller.name, SCOPES_HEADER: " ".join(sorted(caller.scopes))}
    return [
        *((name, value) for name, value in headers if name.lower() not in _OURS),
        *((name.lower().encode(), quote(value, safe=" ").encode()) for name, value in said.items()),
    ]
