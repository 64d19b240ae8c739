"""Who is asked by a service where nobody is named."""

from __future__ import annotations

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.services.model_manager import ModelManager

# Made for arithmetic only: they know no words.
DEMO = "demo-"
# The tag of endpoints that take images.
VISION = "vision"
# A larger model takes long on an ordinary machine; who wants it names it.
COMFORTABLE_BYTES = 6 * 10**9


def usual_target(models: ModelManager, groups: TaskGroupManager, *, sees: bool = False) -> str:
    """A group that a model which knows words answers for, then an endpoint, then the largest local model that is still
    quick; "" where there is none, and all is computed.

    Args:
        sees: whether it has to look at a picture; where nobody here does, the usual one is named all the same.
    """
    return _usual(models, groups, sees) or (_usual(models, groups, False) if sees else "")


def _usual(models: ModelManager, groups: TaskGroupManager, sees: bool) -> str:
    config = groups.config
    fits = _sees if sees else _knows_words
    for name in config.task_groups:
        if any(fits(models, groups, model) for model in groups.route(name).models()):
            return name
    for name, declared in config.models.items():
        if declared.is_remote and (not sees or VISION in declared.tags):
            return name
    local = [
        one
        for one in models.get_available_models()
        if one.is_loadable and not one.name.startswith(DEMO) and not one.base and (not sees or _has_eyes(one))
    ]
    quick = [one for one in local if one.size <= COMFORTABLE_BYTES] or local
    # GGUF files are quicker on a CPU; of these the larger one is the better model, or the more exact one.
    best = max(quick, key=lambda one: (one.model_type is ModelType.GGUF, one.size, one.id), default=None)
    return models.unique_name(best.id) if best else ""


def _has_eyes(model: ModelInfo) -> bool:
    return model.loaded_as.config.get("sees_images") is True


def _sees(models: ModelManager, groups: TaskGroupManager, model: str) -> bool:
    declared = groups.config.declaration(model)
    if declared.is_remote:
        return VISION in declared.tags
    found = models.find(declared.local or model)
    return found is not None and found.is_loadable and _has_eyes(found)


def _knows_words(models: ModelManager, groups: TaskGroupManager, model: str) -> bool:
    declared = groups.config.declaration(model)
    if declared.is_remote:
        return True
    found = models.find(declared.local or model)
    return found is not None and found.is_loadable and not found.name.startswith(DEMO)
