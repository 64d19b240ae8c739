"""Reads Markdown as strictly as the page does, to see what a text would become there."""

from __future__ import annotations

from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

_READER = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough")


def tokens(markdown: str) -> Iterator[Token]:
    """All tokens, those within paragraphs too."""
    for token in _READER.parse(markdown):
        yield token
        yield from token.children or ()


def fetched(markdown: str) -> list[str]:
    """What a browser would fetch, or draw with what can fetch: pictures, and diagrams."""
    found = []
    for token in tokens(markdown):
        if token.type == "image":
            found.append(token.content)
        if token.type == "fence" and "mermaid" in token.info.lower():
            found.append(token.info)
    return found


def read(markdown: str) -> str:
    """The signs that a reader sees of it."""
    pieces = []
    for token in tokens(markdown):
        if token.type in ("text", "text_special", "code_inline", "fence", "code_block", "html_inline", "html_block"):
            pieces.append(token.content)
        elif token.type in ("softbreak", "hardbreak"):
            pieces.append("\n")
    return "".join(pieces)


def kinds(markdown: str) -> set[str]:
    return {token.type for token in tokens(markdown)}
