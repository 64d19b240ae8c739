"""Texts of others, safe to print on a terminal.

A model's answer, a file's name or an endpoint's error can hold control characters: escape sequences move the cursor,
rename the window or ask the terminal to type, and marks of writing direction make a line read otherwise than it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# C0 and C1 without line feed and tab; embeddings, overrides and isolates; line and paragraph separators.
_CONTROLS = (*range(0x20), 0x7F, *range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
_PICTURES_OF_C0 = 0x2400
_PICTURE_OF_DELETE = 0x2421


def _shown_as(code: int) -> str:
    if code < 0x20:
        return chr(_PICTURES_OF_C0 + code)
    return chr(_PICTURE_OF_DELETE) if code == 0x7F else f"\\u{code:04x}"


_SHOWN = {code: _shown_as(code) for code in _CONTROLS if chr(code) not in "\n\t"}


def plain(text: str) -> str:
    """``text`` with every character that controls a terminal shown instead of obeyed."""
    return text.replace("\r\n", "\n").translate(_SHOWN)


class PlainConsole(Console):
    """A console on which only rich itself, never what it prints, controls the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:
        # Before it is measured, so that lines break where they should.
        super().print(*(plain(one) if isinstance(one, str) else one for one in objects), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is inside of tables and bars, which are made of texts of their own."""
        for segment in super().render(renderable, options):
            is_safe = segment.control or segment.text.translate(_SHOWN) == segment.text
            yield segment if is_safe else Segment(plain(segment.text), segment.style)
