"""What a converted model says it was made from. :mod:`conversion.provenance` writes this, scans show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multi_llm_comparator.services.scan.fields import text

# In the metadata of a GGUF file.
SOURCE_KEY = "multi_llm_comparator.source.sha256"
NAME_KEY = "multi_llm_comparator.source.name"
THROUGH_KEY = "multi_llm_comparator.source.through"
# In a checkpoint folder: an object with ``source``, ``name`` and ``through``.
NOTES_FILE = "conversion.json"


def told_origin(data: Mapping[str, Any], name_key: str, through_key: str) -> str | None:
    """``"tiny-Q4_1.gguf (Q4_1)"``: the source's name, and the types that the weights went through before."""
    name, through = text(data, name_key), text(data, through_key)
    if name is None:
        return None
    return f"{name} ({through})" if through else name
