"""Small changes to the task groups' file that leave all else in it as it is: comments, order, form."""

from __future__ import annotations

import glob
import hashlib
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.reading import read_text
from multi_llm_comparator.groups.config_loader import (
    MAX_FILE_BYTES,
    TASK_GROUPS_FILE,
    ConfigLoader,
    parse_config,
    read_yaml,
)
from multi_llm_comparator.groups.group_entries import GroupEntry, names_twice, written_entry
from multi_llm_comparator.groups.yaml_edit import put, remove, rename

# Of a version, in the name of the file that is kept.
_SIGNS = 12
MODELS, GROUPS = "models", "task_groups"
# Two pages of this process do not write at once; for other programs there is the version.
_lock = threading.Lock()


class ConfigFile:
    """The file, changed entry by entry and checked before it is written.

    Args:
        path: the file; that of the settings by default. It need not be there.

    Raises:
        ConfigurationError: in every method that changes it: the result would be wrong, or the file has a form that is
            not changed here. Nothing is written then.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or ConfigLoader().path_of(TASK_GROUPS_FILE)

    def read(self) -> dict[str, Any]:
        """What it says; nothing where it is not there."""
        return read_yaml(self.path) if self.path.exists() else {}

    def text(self) -> str:
        """As it is written; empty where it is not there. Raises ConfigurationError: it cannot be read."""
        if not self.path.exists():
            return ""
        try:
            return read_text(self.path, MAX_FILE_BYTES)
        except (OSError, ValueError) as exc:
            raise ConfigurationError(f"{str(self.path)!r} cannot be read: {exc}") from exc

    def add_model(self, name: str, declaration: Mapping[str, Any]) -> None:
        """Declare a model; the name must be new."""
        if name in (self.read().get(MODELS) or {}):
            raise ConfigurationError(f"{name!r} is declared in {str(self.path)!r} already; remove it first")
        self._write(put(self.text(), (MODELS, name), dict(declaration)))

    def remove_model(self, name: str) -> None:
        """Take a declaration out."""
        if name not in (self.read().get(MODELS) or {}):
            raise ConfigurationError(f"no model {name!r} is declared in {str(self.path)!r}")
        self._write(remove(self.text(), (MODELS, name)))

    def write_edited(self, text: str, seen: str) -> None:
        """Replace the file by ``text``, which was made of ``seen``; the file as it was is kept beside it.

        Args:
            text: the whole file.
            seen: the :func:`version_of` the text that the change was made in.

        Raises:
            ConfigurationError: what the text says is wrong, or the file was changed by somebody else meanwhile.
        """
        with _lock:
            before = self.text()
            if version_of(before) != seen:
                raise ConfigurationError(
                    f"{str(self.path)!r} was changed meanwhile; nothing is written: look at it as it is now and change "
                    "that"
                )
            self._check(text)
            self._keep(before, text)
            self._write(text)

    def can_undo(self) -> bool:
        """Whether the file is as :meth:`write_edited` left it, and what it was before is there."""
        return self._kept_before(self.text()).exists()

    def undo(self) -> None:
        """Take back the last change that was made by :meth:`write_edited`; done again, it is made again.

        Raises:
            ConfigurationError: the file was changed by somebody else since, or there is nothing to take back.
        """
        with _lock:
            now = self.text()
            try:
                earlier = read_text(self._kept_before(now), MAX_FILE_BYTES)
            except (OSError, ValueError) as exc:
                raise ConfigurationError(f"there is no change of {str(self.path)!r} to take back: {exc}") from exc
            self._check(earlier)
            self._keep(now, earlier)
            self._write(earlier)

    def _keep(self, before: str, after: str) -> None:
        for old in self.path.parent.glob(f"{glob.escape(self.path.name)}.before-{'[0-9a-f]' * _SIGNS}"):
            old.unlink(missing_ok=True)
        write_atomically(self._kept_before(after), before)

    def _kept_before(self, text: str) -> Path:
        """The file as it was before it became ``text``. Whoever changes it by hand leaves nothing to take back."""
        return self.path.with_name(f"{self.path.name}.before-{version_of(text)[:_SIGNS]}")

    def replace(self, data: Mapping[str, Any]) -> Path | None:
        """Write all of it anew; where the old file is kept, if there was one."""
        parse_config(data, "the imported file")
        kept = None
        if self.path.exists():
            kept = self.path.with_name(f"{self.path.name}.before-import")
            self.path.replace(kept)
        self._write(yaml.safe_dump(dict(data), allow_unicode=True, sort_keys=False))
        return kept

    def _check(self, text: str) -> None:
        try:
            data = parse_yaml(text.encode())
        except ValueError as exc:
            raise ConfigurationError(f"{str(self.path)!r} would not be readable as YAML: {exc}") from exc
        parse_config(data or {}, str(self.path))

    def _write(self, text: str) -> None:
        self._check(text)
        write_atomically(self.path, text)


def version_of(text: str) -> str:
    """What tells one state of the file from another."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- groups ----------------------------------------------------------------------------------------------------------


def with_group(
    text: str,
    name: str,
    group: Mapping[str, Any],
    *,
    known_as: str | None = None,
    levels: Mapping[str, str] | None = None,
) -> str:
    """The file's text with a group as it is to be.

    Args:
        text: of the file.
        name: of the group.
        group: all that stands under its name, levels included.
        known_as: its name in ``text``, where it is there; whoever names it there names it anew. None: it is new.
        levels: new names of its levels, by those in ``text``.

    Raises:
        ConfigurationError: the name is taken, or the file has a form that is not changed here.
    """
    if known_as is None and name in _section(text, GROUPS):
        raise ConfigurationError(f"there is a group {name!r} already; choose another name")
    if known_as is not None and known_as != name:
        text = _called(text, (GROUPS, known_as), name, known_as, name)
    for old, new in (levels or {}).items():
        there = _section(text, GROUPS)[name]
        if new not in (there.get("echelons") or there):
            path = (GROUPS, name, "echelons", old) if "echelons" in there else (GROUPS, name, old)
            text = _called(text, path, new, f"{name}.{old}", f"{name}.{new}")
    renamed = list(group.get("fallback_groups", ()))
    if known_as is not None:
        renamed = _renamed(renamed, known_as, name)
    return put(text, (GROUPS, name), {**group, **({"fallback_groups": renamed} if renamed else {})})


def with_entry(
    text: str,
    name: str,
    entry: GroupEntry,
    raw: Mapping[str, Any],
    *,
    known_as: str | None = None,
    levels: Mapping[str, str] | None = None,
    weights: Mapping[str, int] | None = None,
) -> str:
    """The file's text with a group taken apart by :func:`read_entry` and changed.

    Args:
        raw: the group as it stands in ``text``; empty for a new one.
        known_as, levels: see :func:`with_group`.
        weights: of models that are used in turn.

    Raises:
        ConfigurationError: two levels have one name; see :func:`with_group`.
    """
    if twice := names_twice(entry.levels):
        raise ConfigurationError(f"two levels are called {twice[0]!r}; give one of them another name")
    text = with_group(text, name, written_entry(entry, raw), known_as=known_as, levels=levels)
    for model, weight in (weights or {}).items():
        text = with_weight(text, model, weight)
    return text


def _called(text: str, path: tuple[str, ...], last: str, old: str, new: str) -> str:
    """An entry under another last name, and everywhere else ``new`` where the target ``old`` was named."""
    text = rename(text, path, last)
    for place, value in _references(parse_yaml(text.encode()) or {}, old, new):
        text = put(text, place, value)
    return text


def without_group(text: str, name: str) -> str:
    """The file's text without a group. Whoever names it still will be refused when it is checked."""
    return remove(text, (GROUPS, name))


def with_weight(text: str, model: str, weight: int) -> str:
    """The file's text in which a model has a weight among others that are used in turn. A local one is declared."""
    if (_section(text, MODELS).get(model) or {}).get("weight", 1) == weight:
        return text
    return put(text, (MODELS, model), {**(_section(text, MODELS).get(model) or {}), "weight": weight})


def _section(text: str, name: str) -> dict[str, Any]:
    data = parse_yaml(text.encode()) or {}
    section = data.get(name) if isinstance(data, dict) else None
    return section if isinstance(section, dict) else {}


def _references(data: Mapping[str, Any], old: str, new: str) -> list[tuple[tuple[str, ...], Any]]:
    """Where other entries name a group: their paths, and what stands there when it is called otherwise."""
    found: list[tuple[tuple[str, ...], Any]] = []
    for group, entry in (data.get(GROUPS) or {}).items():
        if names := (entry or {}).get("fallback_groups"):
            found.append(((GROUPS, group, "fallback_groups"), _renamed(names, old, new)))
    for pool, entry in (data.get("polling_pools") or {}).items():
        if names := (entry or {}).get("task_groups"):
            found.append((("polling_pools", pool, "task_groups"), _renamed(names, old, new)))
    for node, entry in (data.get("nodes") or {}).items():
        config = (entry or {}).get("config") or {}
        if names := config.get("fallback_groups"):
            found.append((("nodes", node, "config", "fallback_groups"), _renamed(names, old, new)))
        if asked := config.get("llm_group"):
            found.append((("nodes", node, "config", "llm_group"), _renamed([asked], old, new)[0]))
    return found


def _renamed(names: Any, old: str, new: str) -> list[Any]:
    """Names of groups, and of levels of theirs, with one called otherwise."""
    return [
        new if name == old else new + name[len(old) :] if isinstance(name, str) and name.startswith(f"{old}.") else name
        for name in names
    ]
