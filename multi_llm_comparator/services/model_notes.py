"""What a user writes about models: a note and tags for each, in one JSON file in the home folder."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes

FILE = "model_notes.json"
MAX_MODELS = 5_000
MAX_NOTE_CHARS = 2_000
MAX_TAGS, MAX_TAG_CHARS = 20, 40
MAX_FILE_BYTES = 16 * 2**20

_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A note and tags; both empty where nothing was written."""

    note: str = ""
    tags: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.note and not self.tags


class ModelNotes:
    """Notes by the model's id. Every call reads the file, so that all pages see the same; any thread may call.

    Raises:
        ConfigurationError: in every method: the file is not readable, or what is to be kept is too much.
        NotWrittenError: the file could not be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def in_home(cls, home: Path) -> ModelNotes:
        """Those of the workbench with this home."""
        return cls(home / FILE)

    def all(self) -> dict[str, ModelNote]:
        try:
            data = read_json(read_bytes(self._path, MAX_FILE_BYTES), "the notes", MAX_FILE_BYTES)
            return {str(key): ModelNote(str(one["note"]), tuple(map(str, one["tags"]))) for key, one in data.items()}
        except FileNotFoundError:
            return {}
        except (DocumentError, OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ConfigurationError(
                f"the notes on models {str(self._path)!r} cannot be read: {exc}; correct the file, or move it away"
            ) from exc

    def of(self, model_id: str) -> ModelNote:
        return self.all().get(model_id, ModelNote())

    def keep(self, model_id: str, note: str, tags: Sequence[str]) -> ModelNote:
        """Keep what was written about a model; nothing written forgets it."""
        clean = tuple(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
        if len(note) > MAX_NOTE_CHARS or len(clean) > MAX_TAGS or any(len(tag) > MAX_TAG_CHARS for tag in clean):
            raise ConfigurationError(
                f"a model has a note of at most {MAX_NOTE_CHARS:,} characters and {MAX_TAGS} tags of {MAX_TAG_CHARS}"
            )
        kept = ModelNote(note.strip(), clean)
        with _changing:
            known = self.all()
            known.pop(model_id, None)
            if not kept.is_empty:
                if len(known) >= MAX_MODELS:
                    raise ConfigurationError(f"{MAX_MODELS:,} models have notes already; delete some first")
                known[model_id] = kept
            self._write(known)
        return kept

    def move(self, model_id: str, new_id: str) -> None:
        """A model goes by another id now."""
        with _changing:
            known = self.all()
            if (found := known.pop(model_id, None)) is not None:
                known[new_id] = found
                self._write(known)

    def forget(self, model_id: str) -> None:
        self.keep(model_id, "", ())

    def _write(self, notes: dict[str, ModelNote]) -> None:
        text = json.dumps({key: asdict(note) for key, note in notes.items()}, ensure_ascii=False, indent=1)
        write_atomically(self._path, text)
