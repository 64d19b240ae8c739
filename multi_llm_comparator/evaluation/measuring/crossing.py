"""Models crossed with parameters: each model with each set of them is a subject of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product, takewhile
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.spec import MAX_SUBJECTS, SUBJECT_IDS, Crossing, Subject

MAX_LABEL_CHARS, SYSTEM_CHARS = 300, 40
BETWEEN = " · "


@dataclass(frozen=True, slots=True)
class Way:
    """One set of parameters, and what tells it from the others beside it."""

    config: ModelConfig
    label: str = ""


def ways_of(crossing: Crossing, saved: Mapping[str, Mapping[str, Any]]) -> list[Way]:
    """All sets of parameters; ``saved`` has those of each preset. A preset's seed is left out: the run counts seeds."""
    presets = crossing.presets or ("",)
    temperatures: Sequence[float | None] = crossing.temperatures or (None,)
    systems: Sequence[tuple[str | None, str]] = [*zip(crossing.systems, _shortened(crossing.systems), strict=True)]
    systems = systems or [(None, "")]
    ways = []
    for name, temperature, (system, short) in product(presets, temperatures, systems):
        config = replace(crossing.base, **{**saved.get(name, {}), "seed": None})
        if temperature is not None:
            config = replace(config, temperature=temperature)
        if system is not None:
            config = replace(config, system_prompt=system)
        differs = (
            name if len(presets) > 1 else "",
            f"T={config.temperature:g}" if len(temperatures) > 1 else "",
            short if len(systems) > 1 else "",
        )
        ways.append(Way(config, BETWEEN.join(filter(None, differs))))
    return ways


def crossed(targets: Sequence[str], names: Sequence[str], ways: Sequence[Way]) -> tuple[Subject, ...]:
    """Each model with each set of parameters; a subject's label has what tells it from the model's others.

    Raises:
        ConfigurationError: these are more subjects than fit.
    """
    check_count(len(targets), len(ways))
    pairs = [(target, name, way) for target, name in zip(targets, names, strict=True) for way in ways]
    return tuple(
        Subject(id=letter, target=target, label=_labelled(name, way.label), config=way.config)
        for letter, (target, name, way) in zip(SUBJECT_IDS, pairs, strict=False)
    )


def check_count(models: int, ways: int) -> None:
    """Raises ConfigurationError: these are more subjects than fit."""
    if (count := models * ways) > MAX_SUBJECTS:
        sum_ = f" ({models} models × {ways} sets of parameters)" if ways > 1 else ""
        raise ConfigurationError(
            f"at most {MAX_SUBJECTS} models (times parameters) fit into one evaluation, not {count}{sum_}"
        )


def headings(subjects: Sequence[Subject]) -> dict[str, str]:
    """What subjects are called where names are cut, by id: of one model asked in several ways what differs comes
    first."""
    found = {}
    for one in subjects:
        same = [other.name.split(BETWEEN) for other in subjects if other.target == one.target]
        alike = sum(1 for _ in takewhile(lambda parts: len({*parts}) == 1, zip(*same, strict=False)))
        parts = one.name.split(BETWEEN)
        found[one.id] = BETWEEN.join((*parts[alike:], *parts[:alike]))
    return found


def _labelled(name: str, label: str) -> str:
    ending = f"{BETWEEN}{label}" if label else ""
    return f"{name[: MAX_LABEL_CHARS - len(ending)]}{ending}"


def _shortened(systems: Sequence[str]) -> list[str]:
    """What labels call system prompts: their beginnings, numbered where these are the same."""
    short = [cut_line(system, SYSTEM_CHARS) for system in systems]
    return [one and f"“{one}”" + (f" {number}" if short.count(one) > 1 else "") for number, one in enumerate(short, 1)]
