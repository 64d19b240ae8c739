"""Named sets of parameters, kept in one JSON file in the user's home, shared by all pages and easy to carry away."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from multi_llm_comparator.comparison.parameters import config_from
from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.callers import own_folder
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings

MAX_PRESETS = 200
# As many names are told to who asks for one that is not there.
MAX_NAMED = 30
MAX_NAME_CHARS = 60
MAX_NOTE_CHARS = 500
MAX_FILE_BYTES = 2**20
FORMAT = "multi-llm-comparator presets"

# Whether a model may run code of its own is asked for each model, never carried in by a file.
_NEVER_KEPT = "trust_remote_code"
# Each page makes its own Presets; reading, changing and writing the file must still be one step.
_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Preset:
    """Some or all parameters of :class:`ModelConfig` under a name, with a note on what they are good for."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def apply(self, config: ModelConfig) -> ModelConfig:
        """``config`` with this preset's parameters; the others stay as they are."""
        return replace(config, **dict(self.parameters))


class Presets:
    """The user's presets. Every call reads the file, so that all pages and processes see the same; any thread may call.

    Args:
        path: the file; None means ``presets.json`` in the home folder of the settings.

    Raises:
        ConfigurationError: in every method: the file is not readable, or what is to be saved is wrong.
        NotWrittenError: the file could not be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or own_folder(get_settings().home) / "presets.json"

    def list(self) -> list[Preset]:
        """All presets, by name."""
        return sorted(self._read().values(), key=lambda preset: preset.name.casefold())

    def load(self, name: str) -> Preset:
        known = self._read()
        if name not in known:
            there = ", ".join(map(repr, sorted(known, key=str.casefold)[:MAX_NAMED]))
            raise ConfigurationError(f"no preset is called {name!r}; there are {there or 'none yet'}")
        return known[name]

    def named(self, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """The parameters of several by name; an empty name is none."""
        return {name: self.load(name).parameters for name in names if name}

    def save(self, name: str, parameters: ModelConfig | Mapping[str, Any], note: str = "") -> Preset:
        """Keep parameters under a name; a preset of that name is replaced."""
        given = asdict(parameters) if isinstance(parameters, ModelConfig) else dict(parameters)
        given.pop(_NEVER_KEPT, None)
        preset = _checked(name, given, note)
        with _changing:
            self._write({**self._read(), preset.name: preset}.values())
        return preset

    def delete(self, name: str) -> None:
        """Forget a preset; unknown names are ignored."""
        with _changing:
            self._write(preset for preset in self._read().values() if preset.name != name)

    def export(self, names: Iterable[str] | None = None) -> bytes:
        """Presets as a file for another machine; None means all."""
        wanted = None if names is None else set(names)
        chosen = [preset for preset in self.list() if wanted is None or preset.name in wanted]
        return _to_json(chosen).encode()

    def import_(self, data: bytes) -> tuple[str, ...]:
        """Add the presets of a file and return their names.

        A preset that is already here under its name with the same content is left out; one with other content is added
        as ``name (2)``: nothing is replaced.

        Raises:
            DocumentError: the file is not what :meth:`export` makes, or one preset in it is wrong; nothing is added.
        """
        incoming = _from_json(data, "the file")
        with _changing:
            presets = self._read()
            added = [renamed for preset in incoming if (renamed := _beside(presets, preset)) is not None]
            self._write(presets.values())
        return tuple(preset.name for preset in added)

    def _read(self) -> dict[str, Preset]:
        try:
            data = read_bytes(self._path, MAX_FILE_BYTES)
        except FileNotFoundError:
            return {}
        except OSError as exc:
            raise ConfigurationError(f"the presets in {str(self._path)!r} cannot be read: {exc.strerror}") from exc
        try:
            return {preset.name: preset for preset in _from_json(data, repr(str(self._path)))}
        except DocumentError as exc:
            raise ConfigurationError(f"{exc}; correct the file or move it away") from exc

    def _write(self, presets: Iterable[Preset]) -> None:
        presets = list(presets)
        if len(presets) > MAX_PRESETS:
            raise ConfigurationError(f"there is room for {MAX_PRESETS} presets; delete some first")
        text = _to_json(presets)
        if len(text.encode()) > MAX_FILE_BYTES:
            raise ConfigurationError(f"all presets together may have {MAX_FILE_BYTES} bytes; shorten or delete some")
        write_atomically(self._path, text)


def _beside(presets: dict[str, Preset], preset: Preset) -> Preset | None:
    """Put a preset beside those that are there, under a name that is free; None when it is there already."""
    name, number = preset.name, 1
    while name in presets:
        if replace(presets[name], name=preset.name) == preset:
            return None
        number += 1
        ending = f" ({number})"
        name = preset.name[: MAX_NAME_CHARS - len(ending)] + ending
    presets[name] = replace(preset, name=name)
    return presets[name]


def _checked(name: str, parameters: Mapping[str, Any], note: str) -> Preset:
    name = " ".join(name.split())
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise ConfigurationError(f"a preset's name has 1 to {MAX_NAME_CHARS} characters, not {len(name)}")
    if len(note) > MAX_NOTE_CHARS:
        raise ConfigurationError(f"the note of preset {name!r} may have {MAX_NOTE_CHARS} characters, not {len(note)}")
    if _NEVER_KEPT in parameters:
        raise ConfigurationError(f"preset {name!r} sets {_NEVER_KEPT!r}, which is asked for each model instead")
    try:
        config = config_from(parameters)
        config.validate()
        "".join((name, note, config.system_prompt, *config.stop)).encode()
    except (ConfigurationError, UnicodeEncodeError) as exc:
        raise ConfigurationError(f"preset {name!r}: {exc}") from exc
    return Preset(name, {key: getattr(config, key) for key in parameters}, note)


def _to_json(presets: Iterable[Preset]) -> str:
    entries = [{"name": p.name, "note": p.note, "parameters": dict(p.parameters)} for p in presets]
    return json.dumps({"format": FORMAT, "presets": entries}, ensure_ascii=False, indent=2)


def _from_json(data: bytes, what: str) -> list[Preset]:
    document = read_json(data, what, MAX_FILE_BYTES)
    entries = document.get("presets") if isinstance(document, dict) and document.get("format") == FORMAT else None
    if not isinstance(entries, list):
        raise DocumentError(f"{what} holds no presets as the export writes them")
    if len(entries) > MAX_PRESETS:
        raise DocumentError(f"{what} holds {len(entries)} presets; at most {MAX_PRESETS} are read")
    return [_entry(entry, what) for entry in entries]


def _entry(entry: Any, what: str) -> Preset:
    known = {"name": str, "note": str, "parameters": dict}
    if not isinstance(entry, dict) or set(entry) - set(known):
        raise DocumentError(f"{what}: a preset has the fields name, note and parameters")
    if not all(isinstance(entry.get(key, kind()), kind) for key, kind in known.items()):
        raise DocumentError(f"{what}: a preset's name and note are texts, its parameters an object")
    try:
        return _checked(entry.get("name", ""), entry.get("parameters", {}), entry.get("note", ""))
    except ConfigurationError as exc:
        raise DocumentError(f"{what}: {exc}") from exc
