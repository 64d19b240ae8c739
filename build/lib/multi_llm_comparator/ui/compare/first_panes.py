"""What stands in the panes of a page that was never used: one real model in four forms, or the demo models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.conversion.first_forms import form_path
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.plans.planners import is_trained_to_plan

# From the most exact to the smallest.
_FORMS = ("bfloat16", "Q8_0", "Q4_1", "Q4_0")
_DEMO = "demo-"


def four_ways(models: Iterable[ModelInfo], models_dir: Path) -> list[ModelInfo]:
    """The first model in those of its forms that are here, PyTorch first."""
    by_path = {Path(model.path): model for model in models}
    places = (form_path(models_dir, target) for target in _FORMS)
    return [by_path[place] for place in places if place in by_path]


def demo_four(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """Two PyTorch and two GGUF demo models that answer questions."""
    return _two_and_two([m for m in models if is_demo(m) and not is_trained_to_plan(m.name)])


def first_models(models: Sequence[ModelInfo], models_dir: Path) -> list[ModelInfo]:
    """What a first visit compares: the first model's forms, else demo models, else two PyTorch and two GGUF ones."""
    if found := four_ways(models, models_dir):
        return found
    # A planner's plan beside answers compares nothing.
    answering = [m for m in models if not is_trained_to_plan(m.name)] or list(models)
    return _two_and_two(sorted(answering, key=lambda m: (not is_demo(m), m.size)))


def is_demo(model: ModelInfo) -> bool:
    return model.name.lower().startswith(_DEMO)


def _two_and_two(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """The first two PyTorch models, the last two GGUF models, and others where there are too few of these."""
    chosen = [
        *[m for m in models if m.model_type is ModelType.PYTORCH][:2],
        *[m for m in models if m.model_type is ModelType.GGUF][-2:],
    ]
    chosen += [m for m in models if m not in chosen][: MAX_PANES - len(chosen)]
    return chosen[:MAX_PANES]
