"""Which models crashed with the usual settings on this machine, and are loaded with safe ones from then on."""

from __future__ import annotations

import json
from pathlib import Path

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.models import ModelInfo

MAX_ENTRIES = 1000
MAX_FILE_BYTES = 2**20


class SafeSettings:
    """A small file that outlives the app: path and size of each model that needs safe settings."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] | None = None

    def needed(self, model: ModelInfo) -> bool:
        return self._read().get(model.path) == model.size

    def remember(self, model: ModelInfo) -> None:
        """From now on; :meth:`save` has it outlive the app."""
        known = {**self._read(), model.path: model.size}
        self._known = dict(list(known.items())[-MAX_ENTRIES:])

    def save(self) -> None:
        write_atomically(self._path, json.dumps(self._read(), indent=1))

    def _read(self) -> dict[str, int]:
        if self._known is None:
            try:
                data = load_json(self._path, MAX_FILE_BYTES)
            except (OSError, ValueError):
                # Absent or damaged: nothing is remembered, and the next crash writes it anew.
                data = {}
            self._known = data if isinstance(data, dict) else {}
        return self._known
