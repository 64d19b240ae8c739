"""Who can take a part in a plan: the models of this machine, and whatever else the task groups' file names."""

from __future__ import annotations

from collections import Counter

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.ui.compare.state import loadable_models
from multi_llm_comparator.ui.kit.choices import Choice, listed, local_choices, targets_of_groups
from multi_llm_comparator.ui.plans.planners import is_trained_to_plan
from multi_llm_comparator.workbench import get_workbench


def target_of(model: ModelInfo, models: list[ModelInfo]) -> str:
    """What a model is asked by: its name, which configuration and command line know it by too, or its id where two
    models share one."""
    return model.name if Counter(m.name for m in models)[model.name] == 1 else model.id


def known_targets() -> dict[str, str]:
    """All targets with what the page calls them: models of this machine first, then remote models and groups."""
    return {target: choice.label for target, choice in _choices().items()}


def offered_targets(*chosen: str) -> list[str]:
    """Those of :func:`known_targets` that a picker offers where these are chosen."""
    return listed(_choices(), *chosen)


def _choices() -> dict[str, Choice]:
    models = loadable_models()
    local = {target_of(c.model, models): c for c in local_choices(models).values() if c.model is not None}
    return local | targets_of_groups()


def working_sign(small: str, large: str) -> str:
    """What stands before the result in answers of these models: the demo models show their working."""
    return "=" if small.startswith("demo-") and large.startswith("demo-") else ""


def default_planner(targets: dict[str, str]) -> str:
    """The first model that was trained to plan; "" (plans are written by hand) where there is none."""
    return next((target for target in targets if is_trained_to_plan(target)), "")


def default_pair(targets: dict[str, str]) -> tuple[str, str]:
    """Small and large model: the demo models, else the smallest and the largest of this machine, else groups."""
    if "demo-small" in targets and "demo-large" in targets:
        return "demo-small", "demo-large"
    models = loadable_models()
    solvers = [m for m in models if not is_trained_to_plan(m.name)] or models
    if solvers:
        by_size = sorted(solvers, key=lambda m: m.size)
        return target_of(by_size[0], models), target_of(by_size[-1], models)
    first = next(iter(targets), "")
    return first, first


def name_of(target: str) -> str:
    """What to call a target in a sentence."""
    model = get_workbench().models.find(target)
    return model.name if model else target
