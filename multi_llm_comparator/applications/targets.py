"""Who is asked by a service where nobody is named."""

from __future__ import annotations

from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.services.model_manager import ModelManager

# Made for arithmetic only: they know no words.
DEMO = "demo-"
# A larger model takes long on an ordinary machine; who wants it names it.
COMFORTABLE_BYTES = 6 * 10**9


def usual_target(models: ModelManager, groups: TaskGroupManager) -> str:
    """A group that a model which knows words answers for, then an endpoint, then the largest local model that is still
    quick; "" where there is none, and all is computed."""
    config = groups.config
    for name in config.task_groups:
        if any(_knows_words(models, groups, model) for model in groups.route(name).models()):
            return name
    for name, declared in config.models.items():
        if declared.is_remote:
            return name
    local = [
        one
        for one in models.get_available_models()
        if one.is_loadable and not one.name.startswith(DEMO) and not one.base
    ]
    quick = [one for one in local if one.size <= COMFORTABLE_BYTES] or local
    # GGUF files are quicker on a CPU; of these the larger one is the better model, or the more exact one.
    best = max(quick, key=lambda one: (one.model_type is ModelType.GGUF, one.size, one.id), default=None)
    return models.unique_name(best.id) if best else ""


def _knows_words(models: ModelManager, groups: TaskGroupManager, model: str) -> bool:
    declared = groups.config.declaration(model)
    if declared.is_remote:
        return True
    found = models.find(declared.local or model)
    return found is not None and found.is_loadable and not found.name.startswith(DEMO)
