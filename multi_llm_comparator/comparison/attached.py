"""Documents that go into a prompt."""

from __future__ import annotations

from collections.abc import Iterable

from multi_llm_comparator.core.markdown_text import fenced


def with_documents(prompt: str, documents: Iterable[tuple[str, str]]) -> str:
    """The prompt, and each document (its name and its text) behind it in a fence that it cannot leave."""
    parts = [prompt]
    for name, text in documents:
        parts.append("\n".join([f"{' '.join(name.split())}:", *fenced(text)]))
    return "\n\n".join(parts)
