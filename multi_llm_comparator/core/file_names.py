"""What an exported file is called, and what kind of file it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MAX_WORDS_CHARS = 40
# By export format: the ending of its file, and its media type.
FILE_KINDS = {
    "html": ("html", "text/html"),
    "json": ("json", "application/json"),
    "jsonl": ("jsonl", "application/x-ndjson"),
    "csv": ("csv", "text/csv"),
    "markdown": ("md", "text/markdown"),
    "svg": ("svg", "image/svg+xml"),
    "xml": ("xml", "application/xml"),
    "docx": ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
}


def file_stem(kind: str, created_at: float, title: str, run_id: str) -> str:
    """Such as ``plan-2026-05-01-How-many-legs``: what it is, its day (UTC), the beginning of its title, or its id."""
    day = datetime.fromtimestamp(created_at, UTC).strftime("%Y-%m-%d")
    words = re.sub(r"[^\w]+", "-", title, flags=re.UNICODE).strip("-")[:_MAX_WORDS_CHARS]
    return f"{kind}-{day}-{words or run_id[:8]}"
