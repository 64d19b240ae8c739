"""Who can be asked: models of this machine, and whatever else the task groups' file names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.ui.i18n import t
from multi_llm_comparator.ui.palette import UNKNOWN, Tone, model_tone
from multi_llm_comparator.ui.workbench import get_workbench

Kind = Literal["local", "remote", "group", "pool", "node"]


@dataclass(frozen=True)
class Choice:
    """One target, and what the pages call it: a local model by its name, anything else with its kind beside it."""

    target: str
    kind: Kind
    label: str
    model: ModelInfo | None = None
    facts: tuple[str, ...] = ()


def named_choices(groups: TaskGroupManager, is_here: Callable[[str], bool]) -> dict[str, Choice]:
    """By target: groups with their echelons, remote models, pools and nodes of the file, in its order.

    Args:
        is_here: whether a local model of this name exists; what has no model that could answer is left out.
    """
    config = groups.config
    found: list[Choice] = []
    for name, group in config.task_groups.items():
        order = group.by_priority()
        found.append(_named(name, "group", *groups.get_models_for_group(name)))
        if len(order) > 1:
            found += [_named(f"{name}.{e}", "group", *group.echelons[e].models) for e in order]
    for name, declared in config.models.items():
        if declared.is_remote:
            found.append(_named(name, "remote", declared.provider, declared.model or ""))
    found += [_named(name, "pool", *pool.task_groups) for name, pool in config.polling_pools.items()]
    found += [_named(name, "node", node.config.llm_group) for name, node in config.nodes.items()]
    return {choice.target: choice for choice in found if _has_models(groups, choice.target, is_here)}


def targets_of_groups() -> dict[str, Choice]:
    """What the task groups' file names and something on this machine or elsewhere answers to."""
    workbench = get_workbench()
    return named_choices(workbench.gateway.groups, lambda name: workbench.models.find(name) is not None)


def tone_of(target: str) -> Tone:
    """The colour of whoever is asked by this name: the one that the model wears on every page."""
    if not target:
        return UNKNOWN
    model = get_workbench().models.find(target)
    return model_tone(model.id if model else target)


def _has_models(groups: TaskGroupManager, target: str, is_here: Callable[[str], bool]) -> bool:
    candidates = (c for stage in groups.route(target).stages for c in stage.candidates)
    return any(c.declaration.is_remote or is_here(c.declaration.local or c.model) for c in candidates)


def _named(target: str, kind: Kind, *facts: str) -> Choice:
    return Choice(target, kind, t(f"target.{kind}", name=target), facts=tuple(filter(None, facts)))
