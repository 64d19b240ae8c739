"""Whether a model that is not here yet would fit on this machine, as the page says it."""

from __future__ import annotations

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.fitting import Fit, fitting
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.workbench import get_workbench

_TONES = {
    "fits": STATE_TONES["done"],
    "tight": STATE_TONES["loading"],
    "too_large": STATE_TONES["failed"],
    "no_disk": STATE_TONES["failed"],
}


def fit_here(model: ModelInfo) -> tuple[Fit, str]:
    """Whether it fits here, and the numbers behind that in words."""
    workbench = get_workbench()
    found = fitting(model, workbench.engine.memory_manager, workbench.settings)
    numbers = t(
        "starter.numbers",
        needed=say.size(found.estimate.total_bytes),
        limit=say.size(found.limit_bytes),
        disk=say.size(found.free_disk_bytes),
    )
    return found.fit, numbers


def fit_chip(model: ModelInfo) -> str:
    fit, numbers = fit_here(model)
    return note_chip(t(f"starter.fit_{fit}"), numbers, _TONES[fit])
