"""Reading the configuration file: bounded, every problem at once, each with its place and what is allowed."""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.near_names import MAX_NAME_CHARS, did_you_mean
from multi_llm_comparator.core.plain_errors import Problem, first_of, in_plain_words
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups.config import ENDPOINT_FIELDS, PATTERNS, GroupsConfig, TaskGroup

TASK_GROUPS_FILE = "llms/groups/_task_groups.yaml"
MAX_FILE_BYTES = 1 << 20
# A mistaken value of these may be a key or hold a password: it is not repeated.
MAY_HOLD_SECRETS = ("key", "base_url", "redis_url")


class SupportsLoad(Protocol):
    """What :class:`TaskGroupManager` reads from: anything that turns a file's name into its data."""

    def load(self, name: str) -> dict[str, Any]: ...


class HeldConfig:
    """A configuration that is made, not read from a file."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def load(self, name: str) -> dict[str, Any]:
        return self._data


class ConfigLoader:
    """Reads YAML files below one folder, that of the settings by default."""

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = Path(root) if root else get_settings().configs_dir

    def path_of(self, name: str) -> Path:
        return self.root / name

    def load(self, name: str) -> dict[str, Any]:
        """Read one file.

        Raises:
            ConfigurationError: it is absent, too large, not YAML, or says a key twice.
        """
        return read_yaml(self.path_of(name))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in ``path``; an empty file is an empty mapping."""
    try:
        data = parse_yaml(read_bytes(path, MAX_FILE_BYTES))
    except OSError as exc:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {exc.strerror}") from exc
    except ValueError as exc:
        raise ConfigurationError(f"{str(path)!r} is not readable as YAML: {exc}") from exc
    if not isinstance(data, dict | None):
        raise ConfigurationError(f"{str(path)!r} must hold names and values, not {type(data).__name__}")
    return data or {}


def parse_config(data: Mapping[str, Any], source: str = "configuration") -> GroupsConfig:
    """Check ``data`` and build the snapshot.

    Raises:
        ConfigurationError: one line for each problem: file, path in the file, what is wrong and what is allowed.
    """
    problems: list[Problem] = []
    config: GroupsConfig | None = None
    # A section whose every line is commented out reads as nothing, and means its defaults.
    data = {name: value for name, value in data.items() if value is not None}
    try:
        config = GroupsConfig.model_validate(data)
    except ValidationError as exc:
        problems = [partial(_problem, error) for error in exc.errors(include_url=False)]
    problems += _raw_problems(data)
    if problems or config is None:
        raise ConfigurationError(first_of(problems, source))
    return config


def _unknown(said: str, name: str, known: Collection[str]) -> str:
    return f"{said} {name[:MAX_NAME_CHARS]!r}{did_you_mean(name, known)}"


def _problem(error: Any) -> str:
    loc = [part for part in error["loc"] if part not in ("echelons", "[key]")]
    place = ".".join(map(str, loc)) or "file"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(sorted(_allowed_keys(error["loc"][:-1])))
        return f"{place}: unknown key {str(loc[-1])!r}; allowed are {allowed}"
    if error["loc"][-1:] == ("echelons",) and error["type"] in ("too_short", "missing"):
        return f"{place}: a group needs at least one level, such as 'level1: {{models: [NAME]}}'"
    message = in_plain_words(error, PATTERNS)
    given = error.get("input")
    is_plain = isinstance(given, str | int | float | None) and loc[-1:] not in ([name] for name in MAY_HOLD_SECRETS)
    shown = f" (given {given!r})" if is_plain else ""
    return f"{place}: {message}{shown[:120]}"


def _allowed_keys(loc: tuple[int | str, ...]) -> set[str]:
    kind: Any = GroupsConfig
    for part in loc:
        kind = _inside(kind, part)
    names = set(kind.model_fields) if isinstance(kind, type) and issubclass(kind, BaseModel) else set()
    return names - {"echelons"} | ({"names of echelons"} if "echelons" in names else set())


def _inside(kind: Any, part: int | str) -> Any:
    """The type of what ``part`` names inside a value of type ``kind``."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        field = kind.model_fields.get(str(part))
        kind = field.annotation if field else None
        if get_origin(kind) in (Union, types.UnionType):
            kind = get_args(kind)[0]
        return kind
    arguments = get_args(kind)
    return arguments[1] if get_origin(kind) is dict else (arguments[0] if arguments else None)


def _mapping(value: Any) -> dict[str, Any]:
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def _raw_problems(data: Mapping[str, Any]) -> list[Problem]:
    """What takes more than one value to see, found in the raw data: pydantic would not look once a single value is
    wrong, and everything is to show at once."""
    sections = {name: _mapping(data.get(name)) for name in ("models", "task_groups", "polling_pools", "nodes")}
    return [
        *_mixed_models(sections["models"]),
        *_listed_twice(sections["task_groups"]),
        *_clashes(sections),
        *_pool_problems(sections),
        *_dangling_groups(sections),
    ]


def _mixed_models(models: dict[str, Any]) -> Iterator[str]:
    for name, entry in models.items():
        declared = _mapping(entry)
        if declared.get("base_url") is None:
            for field in sorted(ENDPOINT_FIELDS & declared.keys()):
                yield f"models.{name}: {field!r} is for an endpoint: give 'base_url' too, or leave it out"
        elif "local" in declared:
            yield f"models.{name}: 'local' and 'base_url' exclude each other"


def _echelons(group: Any) -> dict[str, dict[str, Any]]:
    """The echelons of a group as it stands in the file: every mapping that is none of the group's own fields."""
    entry = _mapping(group)
    entry = _mapping(entry.get("echelons")) if "echelons" in entry else entry
    return {e: _mapping(v) for e, v in entry.items() if isinstance(v, Mapping) and e not in TaskGroup.model_fields}


def _listed_twice(groups: dict[str, Any]) -> Iterator[str]:
    for name, group in groups.items():
        for echelon, entry in _echelons(group).items():
            counts = Counter(_names(entry.get("models")))
            for model in sorted(model for model, count in counts.items() if count > 1):
                yield f"task_groups.{name}.{echelon}.models: {model!r} is listed twice"


def _clashes(sections: dict[str, dict[str, Any]]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for section, entries in sections.items():
        for name in entries:
            if name in seen:
                yield f"{section}.{name}: the name {name!r} is taken by {seen[name]}; every target needs its own"
            seen[name] = section
    for model in sections["models"]:
        group, dot, _ = model.partition(".")
        if dot and group in sections["task_groups"]:
            yield f"models.{model}: reads as an echelon of the group {group!r}; give the model another name"


def _pool_problems(sections: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    owner: dict[str, str] = {}
    for pool, entry in sections["polling_pools"].items():
        for group in _names(_mapping(entry).get("task_groups")):
            place = f"polling_pools.{pool}.task_groups"
            if group not in sections["task_groups"]:
                yield partial(_unknown, f"{place}: no group named", group, sections["task_groups"])
            elif group in owner:
                yield f"{place}: the group {group!r} belongs to the pool {owner[group]!r} already"
            owner[group] = pool


def _dangling_groups(sections: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    groups = sections["task_groups"]
    known = {*groups, *sections["models"]}
    for name, group in groups.items():
        echelons = _echelons(group)
        known |= {f"{name}.{echelon}" for echelon in echelons}
        known |= {model for echelon in echelons.values() for model in _names(echelon.get("models"))}
    for name, group in groups.items():
        for ref in _names(_mapping(group).get("fallback_groups")):
            if ref not in known:
                yield partial(_unknown, f"task_groups.{name}.fallback_groups: nothing is named", ref, known)
    for name, node in sections["nodes"].items():
        config = _mapping(_mapping(node).get("config"))
        for ref in [*_names([config.get("llm_group")]), *_names(config.get("fallback_groups"))]:
            if ref not in known:
                yield partial(_unknown, f"nodes.{name}.config: nothing is named", ref, known)


def _names(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
