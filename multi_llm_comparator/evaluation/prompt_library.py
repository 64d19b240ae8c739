"""The prompt library: single prompts under names, to be put into Compare's box by typing ``/``."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.callers import own_folder
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.plain_errors import said_of
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.prompt_sets import MAX_PROMPT_CHARS, MAX_TAGS, Tag, names_in
from multi_llm_comparator.tracking.rows import fold

MAX_PROMPTS = 1000
MAX_NAME_CHARS = 60
MAX_FILE_BYTES = 16 * 2**20
FORMAT = "multi-llm-comparator prompts"
_changing = threading.Lock()


class SavedPrompt(ClosedModel):
    """A prompt under a name; ``{{names}}`` in it are filled in when it is used."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    text: Annotated[str, Field(min_length=1, max_length=MAX_PROMPT_CHARS)]
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()

    @property
    def variables(self) -> tuple[str, ...]:
        return tuple(sorted(names_in(self.text)))


class _Library(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: str = FORMAT
    prompts: Annotated[list[SavedPrompt], Field(max_length=MAX_PROMPTS)] = []


class PromptLibrary:
    """The user's saved prompts, in one file of the home folder; any thread may call.

    Args:
        path: the file; None means ``prompts.json`` in the home folder of the settings.

    Raises:
        ConfigurationError: in every method: the file is not readable, or what is to be saved is wrong.
        NotWrittenError: the file could not be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or own_folder(get_settings().home) / "prompts.json"

    def list(self) -> list[SavedPrompt]:
        """All prompts, by name."""
        return sorted(self._read(), key=lambda prompt: prompt.name.casefold())

    def search(self, text: str, limit: int = 8) -> Sequence[SavedPrompt]:
        """Those whose name, tags or text has ``text``: names that begin with it first."""
        wanted = fold(text).strip()
        found = [
            (not fold(p.name).startswith(wanted), wanted not in fold(p.name), fold(p.name), p)
            for p in self._read()
            if wanted in fold("\n".join((p.name, *p.tags, p.text)))
        ]
        return [prompt for *_, prompt in sorted(found, key=lambda one: one[:3])][:limit]

    def save(self, name: str, text: str, tags: tuple[str, ...] = ()) -> SavedPrompt:
        """Keep a prompt; one of that name is replaced."""
        try:
            prompt = SavedPrompt(name=" ".join(name.split()), text=text, tags=tags)
        except ValidationError as exc:
            raise ConfigurationError(f"the prompt cannot be saved: {said_of(exc)}") from exc
        with _changing:
            self._write([*(one for one in self._read() if one.name != prompt.name), prompt])
        return prompt

    def delete(self, name: str) -> None:
        """Forget a prompt; unknown names are ignored."""
        with _changing:
            self._write([one for one in self._read() if one.name != name])

    def _read(self) -> Sequence[SavedPrompt]:
        try:
            data = read_bytes(self._path, MAX_FILE_BYTES)
            return _Library.model_validate(read_json(data, repr(str(self._path)), MAX_FILE_BYTES)).prompts
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise ConfigurationError(f"the prompts in {str(self._path)!r} cannot be read: {exc.strerror}") from exc
        except (DocumentError, ValidationError) as exc:
            raise ConfigurationError(f"{str(self._path)!r} holds no prompts; correct the file or move it away") from exc

    def _write(self, prompts: Sequence[SavedPrompt]) -> None:
        if len(prompts) > MAX_PROMPTS:
            raise ConfigurationError(f"there is room for {MAX_PROMPTS} prompts; delete some first")
        text = json.dumps(_Library(prompts=[*prompts]).model_dump(mode="json"), ensure_ascii=False, indent=1)
        if len(text.encode()) > MAX_FILE_BYTES:
            raise ConfigurationError(f"all prompts together may have {MAX_FILE_BYTES >> 20} MiB; delete some")
        write_atomically(self._path, text)
