"""Who could take part in a cooperation where nobody is named."""

from __future__ import annotations

import re

from multi_llm_comparator.groups import TaskGroupManager
from multi_llm_comparator.services.model_manager import ModelManager

# Made to show how things work: whoever has models of their own means those.
_DEMO, _PLANNER = "demo-", "planner"
_FORM = re.compile(r"[-.](?:I?Q\d\w*|B?F(?:16|32)|GGUF)$", re.I)


def available_members(models: ModelManager, groups: TaskGroupManager) -> list[str]:
    """Targets that can be asked: models of this machine, the smallest first, then endpoints. Models that only write
    plans, and adapters beside their base, are left out; demo models come last, and other forms of the same model after
    the first form of each."""
    here = [m for m in models.get_available_models() if m.is_loadable and m.base is None and _PLANNER not in m.name]
    here.sort(key=lambda m: (m.name.startswith(_DEMO), m.size, m.name))
    remote = [name for name, one in groups.config.models.items() if one.is_remote]
    own = [models.unique_name(m.id) for m in here if not m.name.startswith(_DEMO)]
    demo = [models.unique_name(m.id) for m in here if m.name.startswith(_DEMO)]
    return _one_of_each_first([*own, *remote, *demo])


def _one_of_each_first(names: list[str]) -> list[str]:
    """Forms of one model agree too easily: of each model the first form, then the others."""
    firsts: dict[str, str] = {}
    for name in names:
        firsts.setdefault(_FORM.sub("", name), name)
    return [*firsts.values(), *(name for name in names if name not in firsts.values())]
