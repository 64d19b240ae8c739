"""Who can be asked: models of this machine, and whatever else the task groups' file names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from multi_llm_comparator.cooperation.spec import PREFIX
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.plans.saved import PREFIX as PLAN
from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import UNKNOWN, Tone, model_tone
from multi_llm_comparator.ui.kit.visitor import may_ask
from multi_llm_comparator.workbench import get_workbench

Kind = Literal["local", "remote", "group", "pool", "node", "cooperation", "plan"]
# How lists of choices are parted; within a part they go by name.
_KINDS: tuple[Kind, ...] = ("local", "remote", "group", "pool", "node")
_MODEL_TYPES = (ModelType.PYTORCH, ModelType.GGUF, ModelType.CUSTOM)
_TYPE_NAMES = {ModelType.PYTORCH: "PyTorch", ModelType.GGUF: "GGUF"}
_DEMO = "demo-"


@dataclass(frozen=True)
class Choice:
    """One target, and what the pages call it: its name, and beside it what kind it is, with a local model's size.

    ``is_demo_group``: a group, pool or node that only demo models answer for.
    """

    target: str
    kind: Kind
    label: str
    model: ModelInfo | None = None
    facts: tuple[str, ...] = ()
    is_demo_group: bool = False


def local_choices(models: Sequence[ModelInfo]) -> dict[str, Choice]:
    """Local models by id: PyTorch first, then GGUF, each by name. Where two labels are the same, the ids are added."""
    labels = {model.id: _label(model) for model in models}
    often = Counter(labels.values())
    ordered = sorted(models, key=lambda m: (_MODEL_TYPES.index(m.model_type), m.name.casefold(), m.size))
    return {
        model.id: Choice(
            model.id,
            "local",
            labels[model.id] if often[labels[model.id]] == 1 else f"{labels[model.id]} · {model.id}",
            model,
        )
        for model in ordered
    }


def _label(model: ModelInfo) -> str:
    """Name, kind with quantization, and size on the disk."""
    form = " ".join(filter(None, (type_name(model.model_type), str(model.config.get("quantization") or ""))))
    return " · ".join((model.name, form, say.size(model.size)))


def type_name(model_type: ModelType) -> str:
    """What a kind of model is called in the reader's language."""
    return _TYPE_NAMES.get(model_type) or t("target.custom")


def listed(choices: Mapping[str, Choice], *chosen: str) -> list[str]:
    """The targets that a picker offers. Groups of the demo models are left out unless the settings switch them on, or
    they are ``chosen`` already."""
    all_of_them = get_settings().demo_groups
    return [target for target, c in choices.items() if all_of_them or not c.is_demo_group or target in chosen]


def named_choices(groups: TaskGroupManager, is_here: Callable[[str], bool]) -> dict[str, Choice]:
    """By target: remote models, groups with their echelons, pools and nodes of the file, each kind by name.

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
    found.sort(key=lambda choice: (_KINDS.index(choice.kind), choice.target.casefold()))
    return {
        choice.target: replace(choice, is_demo_group=_is_demo(groups, choice.target))
        for choice in found
        if _has_models(groups, choice.target, is_here)
    }


def targets_of_groups() -> dict[str, Choice]:
    """What the task groups' file names, something on this machine or elsewhere answers to, and the visitor may ask."""
    workbench = get_workbench()
    found = named_choices(workbench.gateway.groups, lambda name: workbench.models.find(name) is not None)
    return {target: choice for target, choice in found.items() if may_ask(target)}


def cooperations() -> dict[str, Choice]:
    """By target: several models that answer together."""
    targets = (f"{PREFIX}{name}" for name in get_workbench().saved_cooperations.names())
    return {target: _named(target, "cooperation") for target in targets if may_ask(target)}


def plans() -> dict[str, Choice]:
    """By target: saved plans, each of which answers one question at a time."""
    targets = (f"{PLAN}{name}" for name in SavedPlans().names())
    return {target: _named(target, "plan") for target in targets if may_ask(target)}


def sees_images(choice: Choice | None) -> bool:
    """Whether a target looks at images, as far as its files or the task groups' file tell."""
    if choice is None or choice.kind in ("cooperation", "plan"):
        return False
    if choice.model is not None:
        return choice.model.loaded_as.config.get("sees_images") is True
    route = get_workbench().gateway.groups.route(choice.target)
    return any("vision" in c.declaration.tags for stage in route.stages for c in stage.candidates)


def tone_of(target: str) -> Tone:
    """The colour of whoever is asked by this name: the one that the model wears on every page."""
    if not target:
        return UNKNOWN
    model = get_workbench().models.find(target)
    return model_tone(model.id if model else target)


def _is_demo(groups: TaskGroupManager, target: str) -> bool:
    candidates = (c for stage in groups.route(target).stages for c in stage.candidates)
    return all(not c.declaration.is_remote and (c.declaration.local or c.model).startswith(_DEMO) for c in candidates)


def _has_models(groups: TaskGroupManager, target: str, is_here: Callable[[str], bool]) -> bool:
    candidates = (c for stage in groups.route(target).stages for c in stage.candidates)
    return any(c.declaration.is_remote or is_here(c.declaration.local or c.model) for c in candidates)


def _named(target: str, kind: Kind, *facts: str) -> Choice:
    return Choice(target, kind, t(f"target.{kind}", name=target), facts=tuple(filter(None, facts)))
