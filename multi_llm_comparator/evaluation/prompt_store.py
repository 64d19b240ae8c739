"""Where prompt sets are kept: one file each in the workbench's home, readable and easy to carry away."""

from __future__ import annotations

import json
import re
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.prompt_sets import MAX_NAME_CHARS, PromptRow, PromptSet, checked_set

MAX_SETS = 500
# JSON writes a character as six at most.
MAX_FILE_BYTES = 64 * 2**20
FOLDER = "prompt_sets"
_ID = re.compile("[a-z0-9]{1,32}")
# Each page makes its own object; reading, changing and writing must still be one step.
_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class PromptSetFacts:
    """A set as lists show it."""

    id: str
    name: str
    rows: int
    changed_at: float


class PromptSets:
    """The user's prompt sets; any thread may call.

    Args:
        folder: where they are; None means in the home folder of the settings.

    Raises:
        DocumentError: in every method that reads one: it is not there, or not what was written.
        ConfigurationError: what is to be saved does not fit.
        NotWrittenError: the file could not be written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or get_settings().home / FOLDER
        self._facts: dict[str, tuple[int, PromptSetFacts]] = {}

    def list(self) -> list[PromptSetFacts]:
        """All sets, the one changed last first. Files that are no sets are passed over."""
        found = []
        for path in sorted(self._folder.glob("*.json"))[: 2 * MAX_SETS]:
            try:
                stamp = path.stat().st_mtime_ns
                known = self._facts.get(path.stem)
                if known is None or known[0] != stamp:
                    prompts = self.load(path.stem)
                    known = stamp, PromptSetFacts(path.stem, prompts.name, len(prompts.rows), stamp / 1e9)
                    self._facts[path.stem] = known
                found.append(known[1])
            except (OSError, DocumentError):
                continue
        return sorted(found, key=lambda facts: facts.changed_at, reverse=True)

    def load(self, set_id: str) -> PromptSet:
        path = self._path(set_id)
        try:
            data = read_bytes(path, MAX_FILE_BYTES)
        except FileNotFoundError as exc:
            raise DocumentError(f"no prompt set {set_id!r} is kept here; it may have been deleted") from exc
        except OSError as exc:
            raise DocumentError(f"the prompt set in {str(path)!r} cannot be read: {exc.strerror}") from exc
        document = read_json(data, repr(str(path)), MAX_FILE_BYTES)
        if not isinstance(document, dict):
            raise DocumentError(f"{str(path)!r} holds no prompt set")
        return checked_set(repr(str(path)), **{**document, "id": set_id})

    def find(self, name: str) -> PromptSet | None:
        """The set of this id, or the latest of this name."""
        if self._is_id(name) and self._path(name).is_file():
            return self.load(name)
        found = [facts.id for facts in self.list() if facts.name == name]
        return self.load(found[0]) if found else None

    def save(self, prompts: PromptSet) -> PromptSet:
        """Keep a set: a new one without an id gets one, and a name of its own; one with an id is replaced."""
        with _changing:
            kept = self.list()
            if not prompts.id:
                if len(kept) >= MAX_SETS:
                    raise ConfigurationError(f"there is room for {MAX_SETS} prompt sets; delete some first")
                name = _free_name(prompts.name, {facts.name for facts in kept})
                prompts = prompts.model_copy(update={"id": uuid.uuid4().hex[:12], "name": name})
            text = json.dumps(prompts.model_dump(mode="json", exclude={"id"}), ensure_ascii=False, indent=1)
            write_atomically(self._path(prompts.id), text)
        return prompts

    def add_row(self, set_id: str, row: PromptRow) -> PromptSet:
        """Add a row to a set, under the next free number."""
        prompts = self.load(set_id)
        taken = {one.id for one in prompts.rows}
        number = len(prompts.rows) + 1
        while str(number) in taken:
            number += 1
        rows = (*prompts.rows, row.model_copy(update={"id": str(number)}))
        fields = {name: getattr(prompts, name) for name in ("name", "note", "system", "template", "id")}
        return self.save(checked_set(f"prompt set {prompts.name!r}", **fields, rows=rows))

    def delete(self, set_id: str) -> None:
        """Forget a set; unknown ids are ignored. Runs that asked it keep their copy."""
        with _changing:
            self._path(set_id).unlink(missing_ok=True)
            self._facts.pop(set_id, None)

    def _path(self, set_id: str) -> Path:
        if not self._is_id(set_id):
            raise DocumentError(f"{set_id!r} is no prompt set's id")
        return self._folder / f"{set_id}.json"

    @staticmethod
    def _is_id(text: str) -> bool:
        return _ID.fullmatch(text) is not None


def _free_name(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        ending = f" ({number})"
        free = name[: MAX_NAME_CHARS - len(ending)] + ending
    return free
