"""Records as rows of the tables: checked, bounded, and with what searches compare beside them."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

MAX_LINE_CHARS, MAX_CALLER_CHARS = 500, 100
# Two hundred prompts at their longest fit; so does an answer many times over.
MAX_TEXT_CHARS = 50_000_000
MAX_DOCUMENT_CHARS = 250_000_000
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def run_row(run: RunRecord) -> dict[str, Any]:
    title, detail = line(run.title), line(run.detail)
    searched = _bounded(run.search_text, f"the prompts of run {run.id!r}")
    return {
        "id": run.id,
        "kind": run.kind,
        "title": title,
        "detail": detail,
        "status": run.status,
        "phase": run.phase,
        "origin": run.origin,
        "parent_id": run.parent_id,
        "caller": storable(run.caller)[:MAX_CALLER_CHARS],
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "schema_version": run.schema_version,
        "document": _json(run.document, run.id),
        "folded": fold("\n".join((title, detail, searched))),
    }


def item_row(item: ItemRecord) -> dict[str, Any]:
    owner = f"item {item.key!r} of run {item.run_id!r}"
    text = _bounded(item.text, f"the text of {owner}")
    return {
        "run_id": item.run_id,
        "key": item.key,
        "attempt": item.attempt,
        "position": item.position,
        "status": item.status,
        "text": text,
        "score": item.score,
        "record": _json(item.record, owner),
        "updated_at": item.updated_at,
        "folded": fold(text),
    }


def line(text: str) -> str:
    """The text as a list can show it: of a bounded length, ending in … where it was cut."""
    text = storable(text)
    return text if len(text) <= MAX_LINE_CHARS else text[: MAX_LINE_CHARS - 1] + "…"


def storable(text: str) -> str:
    """The text with what no database takes (NUL, halves of surrogate pairs) replaced, character for character."""
    return _UNSTORABLE.sub("\ufffd", text)


def fold(text: str) -> str:
    """The text as searches compare it: case and width of characters do not count."""
    return storable(unicodedata.normalize("NFKC", text).casefold())


def _bounded(text: str, what: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise StoreError(f"{what} has {len(text)} characters; at most {MAX_TEXT_CHARS} are stored")
    return storable(text)


def _json(document: Mapping[str, Any], owner: str) -> Mapping[str, Any]:
    try:
        size = len(json.dumps(document, allow_nan=False))
    except (TypeError, ValueError) as exc:
        raise StoreError(f"the document of {owner!r} cannot be stored as JSON: {exc}") from exc
    if size > MAX_DOCUMENT_CHARS:
        raise StoreError(f"the document of {owner!r} has {size} characters; at most {MAX_DOCUMENT_CHARS} are stored")
    return document
