"""Who could answer: models that are here, endpoints and groups that are configured, with what is known of each."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.groups import Gateway
from multi_llm_comparator.groups.config import GroupsConfig, ModelDeclaration
from multi_llm_comparator.groups.pricing import price_of
from multi_llm_comparator.routing.rules import MATH, VISION, Rules
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager

Kind = Literal["model", "group", "mode"]
# "qwen3_32b", "Llama-3.1-8B", "SmolLM2-135M": a size that stands in the name.
_SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d{1,2})x)?(\d{1,4}(?:\.\d{1,2})?)([bBmM])(?![A-Za-z0-9])")
_UNITS = {"b": 1e9, "m": 1e6}
# Models that only write plans; and those that come with the project to show how things work: they calculate.
_PLANNER, _DEMO = "planner", "demo-"
# A call of so many tokens is what prices are compared by.
PROMPT_TOKENS, ANSWER_TOKENS = 500, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One name that can be asked.

    Attributes:
        tasks: what it is said to be good at; empty: nothing is said.
        parameters: how many numbers it has; None where neither its files nor its name tell.
        usd: what a call of 500 tokens in and 500 out costs; None where nobody knows.
        latency_s: what its calls took on average since the start; None where none was made.
        quality: share of questions that it was measured to answer well; None where it was not measured.
        out: why it gets no requests now; None: it can be asked.
    """

    name: str
    kind: Kind = "model"
    tasks: frozenset[str] = frozenset()
    parameters: float | None = None
    usd: float | None = None
    latency_s: float | None = None
    quality: float | None = None
    sees: bool = False
    out: str | None = None


def size_in_name(name: str) -> float | None:
    """Parameters as a model's name tells them; of a mixture, all of its experts."""
    found = _SIZE.search(name)
    if found is None:
        return None
    return int(found[1] or 1) * float(found[2]) * _UNITS[found[3].lower()]


def find_candidates(
    gateway: Gateway, models: ModelManager, engine: InferenceEngine, rules: Rules
) -> tuple[Candidate, ...]:
    """Everyone who can be asked now or could be: local models that load, endpoints, and groups that are for a task."""
    config = gateway.groups.config
    latencies = gateway.parts.history.latencies()
    found: dict[str, Candidate] = {}
    for info in models.get_available_models():
        if info.is_loadable and info.base is None and _PLANNER not in info.name:
            name = models.unique_name(info.id)
            found[name] = _local(name, info, config, rules)
    for name, declared in config.models.items():
        if declared.is_remote:
            found[name] = _remote(name, declared, rules)
        elif (info_of := models.find(declared.local or name)) is not None and info_of.is_loadable:
            # The same model under the name that was given to it.
            found.pop(models.unique_name(info_of.id), None)
            found[name] = _local(name, info_of, config, rules)
    found = {
        name: replace(one, latency_s=latencies.get(name), out=gateway.parts.why_out(name))
        for name, one in found.items()
    }
    return (*found.values(), *_groups(config, found, rules))


def _local(name: str, info: ModelInfo, config: GroupsConfig, rules: Rules) -> Candidate:
    declared = config.declaration(name)
    sees = info.loaded_as.config.get("sees_images") is True
    tasks = _tasks(declared, rules) | ({VISION} if sees else set())
    if not tasks and info.name.startswith(_DEMO):
        tasks = frozenset({MATH})
    parameters = info.config.get("parameters") or size_in_name(name)
    return Candidate(name=name, tasks=tasks, parameters=parameters, usd=0.0, sees=VISION in tasks)


def _remote(name: str, declared: ModelDeclaration, rules: Rules) -> Candidate:
    tasks = _tasks(declared, rules)
    usd = price_of(declared, PROMPT_TOKENS, ANSWER_TOKENS, name=name).usd
    parameters = size_in_name(declared.model or name) or size_in_name(name)
    return Candidate(name=name, tasks=tasks, parameters=parameters, usd=usd, sees=VISION in tasks)


def _tasks(declared: ModelDeclaration, rules: Rules) -> frozenset[str]:
    named = map(rules.task_named, (*declared.supported_tasks, *declared.tags))
    return frozenset(task for task in named if task is not None)


def _groups(config: GroupsConfig, models: Mapping[str, Candidate], rules: Rules) -> list[Candidate]:
    """Groups that say what they are for, and levels that are called after a task."""
    found = []
    for name, group in config.task_groups.items():
        said = frozenset(task for task in map(rules.task_named, group.supported_tasks) if task is not None)
        if said:
            members = [model for level in group.by_priority() for model in group.echelons[level].models]
            found.append(_group(name, said, members, models))
        for level, echelon in group.echelons.items():
            if (task := rules.task_named(level)) is not None:
                found.append(_group(f"{name}.{level}", frozenset({task}), echelon.models, models))
    return [one for one in found if one is not None]


def _group(
    name: str, tasks: frozenset[str], members: Sequence[str], models: Mapping[str, Candidate]
) -> Candidate | None:
    """It is as good and as dear as its first member, who is asked first, and out when all of them are. None where
    nobody is here, or all only show how things work."""
    here = [models[member] for member in members if member in models]
    if all(one.name.startswith(_DEMO) for one in here):
        return None
    able = [one for one in here if one.out is None]
    first = (able or here)[0]
    out = None if able else f"none of its models can be asked: {first.out}"
    return replace(first, name=name, kind="group", tasks=tasks, sees=first.sees, out=out)


def relative_strength(candidates: Sequence[Candidate]) -> dict[str, float]:
    """0 for the weakest to 1 for the strongest: by what was measured where all were, else by size, on a scale of
    orders of magnitude. Who tells no size stands in the middle; where nobody does, all are alike."""
    if candidates and all(one.quality is not None for one in candidates):
        known = {one.name: one.quality for one in candidates if one.quality is not None}
    else:
        known = {one.name: math.log10(one.parameters) for one in candidates if one.parameters}
    return {one.name: share for one, share in zip(candidates, _shares(candidates, known, 1.0), strict=True)}


def relative_cost(candidates: Sequence[Candidate]) -> dict[str, float]:
    """0 for the cheapest to 1 for the dearest: by price where it tells them apart, else by size."""
    priced = {one.name: one.usd for one in candidates if one.usd is not None}
    if len(priced) < len(candidates) or len(set(priced.values())) < 2:
        priced = {one.name: math.log10(one.parameters) for one in candidates if one.parameters}
    return {one.name: share for one, share in zip(candidates, _shares(candidates, priced, 0.0), strict=True)}


def relative_latency(candidates: Sequence[Candidate]) -> dict[str, float]:
    """0 for the quickest to 1 for the slowest: by what was measured where all were, else as they cost."""
    timed = {one.name: one.latency_s for one in candidates if one.latency_s is not None}
    if len(timed) < len(candidates):
        return relative_cost(candidates)
    return {one.name: share for one, share in zip(candidates, _shares(candidates, timed, 0.0), strict=True)}


def _shares(candidates: Sequence[Candidate], known: Mapping[str, float], alike: float) -> list[float]:
    low, high = min(known.values(), default=0.0), max(known.values(), default=0.0)
    if high <= low:
        return [alike] * len(candidates)
    return [(known[one.name] - low) / (high - low) if one.name in known else 0.5 for one in candidates]
