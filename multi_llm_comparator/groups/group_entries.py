"""A group as it stands in the file, taken apart for a form and put together again; what a form does not know stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multi_llm_comparator.groups.config import Echelon, FallbackStrategy, TaskGroup

LIMITS = ("concurrency_limit", "rpm_limit", "tpm_limit")


@dataclass(frozen=True)
class LevelEntry:
    """One level: who is in it, and what holds for it; None limits nothing. ``rest`` is what else the file says."""

    name: str
    models: tuple[str, ...] = ()
    concurrency_limit: int | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    timeout: float | None = None
    max_retries: int = 1
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GroupEntry:
    """A group, its levels in the order of the file."""

    description: str = ""
    levels: tuple[LevelEntry, ...] = ()
    fallback_strategy: str = FallbackStrategy.ECHELON_DOWN.value
    fallback_groups: tuple[str, ...] = ()
    when_full: str = "wait"
    concurrency_limit: int | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    per_day_usd: float | None = None
    per_run_usd: float | None = None


_LEVEL_FIELDS = ("models", *LIMITS, "timeout", "max_retries")


def read_entry(raw: Mapping[str, Any]) -> GroupEntry:
    """What the file says of a group that was checked already."""
    budget = raw.get("budget") or {}
    return GroupEntry(
        description=str(raw.get("description") or ""),
        levels=tuple(_level(str(name), one) for name, one in levels_of(raw).items()),
        fallback_strategy=str(raw.get("fallback_strategy", FallbackStrategy.ECHELON_DOWN.value)),
        fallback_groups=tuple(raw.get("fallback_groups") or ()),
        when_full=str(raw.get("when_full", "wait")),
        per_day_usd=budget.get("per_day_usd"),
        per_run_usd=budget.get("per_run_usd"),
        **{name: raw.get(name) for name in LIMITS},
    )


def levels_of(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The levels of a group: every mapping that is none of its own fields, or those under ``echelons``."""
    if isinstance(raw.get("echelons"), Mapping):
        return {str(name): one or {} for name, one in raw["echelons"].items()}
    return {str(k): v for k, v in raw.items() if isinstance(v, Mapping) and k not in TaskGroup.model_fields}


def _level(name: str, raw: Mapping[str, Any]) -> LevelEntry:
    return LevelEntry(
        name=name,
        models=tuple(raw.get("models") or ()),
        timeout=raw.get("timeout"),
        max_retries=raw.get("max_retries", Echelon.model_fields["max_retries"].default),
        rest={key: value for key, value in raw.items() if key not in _LEVEL_FIELDS},
        **{limit: raw.get(limit) for limit in LIMITS},
    )


def written_entry(entry: GroupEntry, raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is to stand in the file.

    Args:
        entry: the group as it is to be.
        raw: as it stands there now; empty for a new one. Defaults that it does not say are not said.
    """
    known = set(levels_of(raw))
    written = {k: v for k, v in raw.items() if k != "echelons" and not (k in known and isinstance(v, Mapping))}
    _say(written, "description", entry.description, "")
    for limit in LIMITS:
        _say(written, limit, getattr(entry, limit), None)
    levels = {level.name: _written_level(level) for level in entry.levels}
    if "echelons" in raw:
        written["echelons"] = levels
    else:
        written |= levels
    _say(written, "fallback_strategy", entry.fallback_strategy, FallbackStrategy.ECHELON_DOWN.value)
    _say(written, "fallback_groups", list(entry.fallback_groups), [])
    _say(written, "when_full", entry.when_full, "wait")
    budget = dict(raw.get("budget") or {})
    _say(budget, "per_day_usd", entry.per_day_usd, None)
    _say(budget, "per_run_usd", entry.per_run_usd, None)
    _say(written, "budget", budget, {})
    return written


def _written_level(level: LevelEntry) -> dict[str, Any]:
    written: dict[str, Any] = {"models": list(level.models), **level.rest}
    for limit in LIMITS:
        _say(written, limit, getattr(level, limit), None)
    _say(written, "timeout", level.timeout, None)
    _say(written, "max_retries", level.max_retries, Echelon.model_fields["max_retries"].default)
    return written


def _say(written: dict[str, Any], name: str, value: Any, default: Any) -> None:
    """Whole numbers are written as such; a default is said only where it was said before."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value == default and (value in (None, "", [], {}) or name not in written):
        written.pop(name, None)
    else:
        written[name] = value


def names_twice(levels: Sequence[LevelEntry]) -> list[str]:
    """Names that more than one level has."""
    names = [level.name for level in levels]
    return sorted({name for name in names if names.count(name) > 1})
