"""What ``llm-config group`` does: groups in their file, changed as the Groups page changes them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.groups.config_edit import GROUPS, ConfigFile, version_of, with_entry, without_group
from multi_llm_comparator.groups.config_loader import parse_config
from multi_llm_comparator.groups.group_entries import GroupEntry, LevelEntry, read_entry

FIRST_LEVEL = "level1"


@dataclass(frozen=True)
class _Open:
    """A group as it stands in the file; ``raw`` is empty for one that is not there."""

    file: ConfigFile
    text: str
    groups: Mapping[str, Any]
    raw: Mapping[str, Any]

    @property
    def entry(self) -> GroupEntry:
        return read_entry(self.raw)


def _opened(name: str, *, must_be: bool = True) -> _Open:
    """Raises ConfigurationError: the file has mistakes, which are corrected by hand first; or has no such group."""
    file = ConfigFile()
    text, data = file.text(), file.read()
    parse_config(data, str(file.path))
    groups = data.get(GROUPS) or {}
    if must_be and name not in groups:
        raise ConfigurationError(
            f"there is no group {name!r} in {str(file.path)!r}{did_you_mean(name, list(groups))}; make it: "
            f"llm-config group set {name} --model MODEL"
        )
    return _Open(file, text, groups, groups.get(name) or {})


async def list_groups(as_json: bool) -> None:
    """All groups of the file, taken apart."""
    file = ConfigFile()
    found = {name: read_entry(raw or {}) for name, raw in (file.read().get(GROUPS) or {}).items()}
    if as_json:
        print_json({name: {one.name: list(one.models) for one in entry.levels} for name, entry in found.items()})
        return
    for name, entry in found.items():
        levels = "; ".join(f"{one.name}: {', '.join(one.models)}" for one in entry.levels)
        output.print(f"{name}  {levels}")
    messages.print(f"from {file.path}")


async def show(name: str, as_json: bool) -> None:
    """A group as the file says it."""
    raw = _opened(name).raw
    if as_json:
        print_json({name: raw})
    else:
        output.print(yaml.safe_dump({name: dict(raw)}, allow_unicode=True, sort_keys=False).rstrip())


async def set_group(
    name: str,
    new_name: str | None,
    changes: Mapping[str, Any],
    models: Sequence[str],
    is_trial: bool,
    as_json: bool,
) -> None:
    """Make or change a group.

    Raises:
        ConfigurationError: a new one without models, models for one that has levels, or a change that cannot be.
    """
    there = _opened(name, must_be=False)
    entry, is_new = replace(there.entry, **changes), name not in there.groups
    if is_new and not models:
        raise ConfigurationError(f"there is no group {name!r}; to make it, say who is in it: --model MODEL")
    if models and not is_new:
        raise ConfigurationError(f"{name!r} has levels already: llm-config group level {name} LEVEL --model MODEL")
    if is_new:
        entry = replace(entry, levels=(LevelEntry(FIRST_LEVEL, tuple(models)),))
    called = new_name or name
    known_as = None if is_new else name
    _end(there, called, lambda: with_entry(there.text, called, entry, there.raw, known_as=known_as), is_trial, as_json)


async def level(
    name: str,
    level_name: str,
    changes: Mapping[str, Any],
    weights: Sequence[str],
    is_removed: bool,
    is_trial: bool,
    as_json: bool,
) -> None:
    """Add, change or remove a level.

    Raises:
        ConfigurationError: one to remove that is not there, a new one without models, or a change that cannot be.
    """
    there = _opened(name)
    levels = {one.name: one for one in there.entry.levels}
    known = levels.get(level_name)
    if is_removed:
        if known is None:
            raise ConfigurationError(f"{name!r} has no level {level_name!r}; it has {', '.join(levels)}")
        del levels[level_name]
    elif known is None and not changes.get("models"):
        raise ConfigurationError(f"{name!r} has no level {level_name!r}; to add it, say who is in it: --model MODEL")
    else:
        levels[level_name] = replace(known or LevelEntry(level_name), **changes)
    entry = replace(there.entry, levels=tuple(levels.values()))
    renamed = {level_name: changes["name"]} if known is not None and changes.get("name") else {}
    given = dict(map(_weight, weights))

    def changed() -> str:
        return with_entry(there.text, name, entry, there.raw, known_as=name, levels=renamed, weights=given)

    _end(there, name, changed, is_trial, as_json)


def _weight(text: str) -> tuple[str, int]:
    """Raises ConfigurationError."""
    model, _, number = text.rpartition("=")
    if not model or not number.isdigit() or not int(number):
        raise ConfigurationError(f"--weight is {text!r}; write MODEL=NUMBER, such as small=3")
    return model, int(number)


async def delete(name: str, is_trial: bool, as_json: bool) -> None:
    """Take a group out."""
    there = _opened(name)
    _end(there, name, lambda: without_group(there.text, name), is_trial, as_json)


async def undo(as_json: bool) -> None:
    """Raises ConfigurationError: there is nothing to take back."""
    file = ConfigFile()
    file.undo()
    say(f"{file.path} is as it was before the last change", as_json, {"file": str(file.path), "undone": True})


def _end(there: _Open, name: str, changed: Callable[[], str], is_trial: bool, as_json: bool) -> None:
    """Write what was changed, or only show it. A workbench that runs sees the file change."""
    after = changed()
    lines = list(difflib.unified_diff(there.text.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    if not is_trial:
        there.file.write_edited(after, version_of(there.text))
    if as_json:
        print_json({"group": name, "file": str(there.file.path), "written": not is_trial, "changes": lines})
        return
    for line in lines:
        output.print(line)
    messages.print(f"not written: {there.file.path}" if is_trial else f"written: {there.file.path}")
