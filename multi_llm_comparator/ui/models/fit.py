"""Whether a model that is not here yet would fit on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.devices import free_ram_bytes
from multi_llm_comparator.services.hub import SPARE_BYTES
from multi_llm_comparator.services.memory_manager import MemoryEstimate
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.models.memory_view import estimate_of
from multi_llm_comparator.workbench import get_workbench

# Above this share of what models may take together, there is little room left for another one beside it.
TIGHT_SHARE = 0.7
USUAL_CONTEXT = 2048

Fit = Literal["fits", "tight", "too_large", "no_disk"]
_TONES = {
    "fits": STATE_TONES["done"],
    "tight": STATE_TONES["loading"],
    "too_large": STATE_TONES["failed"],
    "no_disk": STATE_TONES["failed"],
}


def fit_of(download_bytes: int, needed_bytes: int, *, limit_bytes: int, free_bytes: int, free_disk_bytes: int) -> Fit:
    """Whether a model that needs so much memory fits where models may take ``limit_bytes`` together, of which
    ``free_bytes`` are free now, and its download beside what is on the disk."""
    if download_bytes + SPARE_BYTES > free_disk_bytes:
        return "no_disk"
    if needed_bytes > limit_bytes:
        return "too_large"
    return "tight" if needed_bytes > min(free_bytes, TIGHT_SHARE * limit_bytes) else "fits"


def fit_here(model: ModelInfo) -> tuple[Fit, str]:
    """Whether it fits here, and the numbers behind that in words. What its header does not say yet counts as nothing
    but its file."""
    estimate = estimate_of(model, min(USUAL_CONTEXT, model.config.get("context_length", USUAL_CONTEXT)))
    workbench = get_workbench()
    limit = workbench.engine.memory_manager.limit_bytes(estimate.device)
    free_disk = shutil.disk_usage(_existing(workbench.settings.models_dir)).free
    free = min(limit, free_ram_bytes()) if estimate.device == "cpu" else limit
    fit = fit_of(model.size, estimate.total_bytes, limit_bytes=limit, free_bytes=free, free_disk_bytes=free_disk)
    return fit, _numbers(estimate, limit, free_disk)


def fit_chip(model: ModelInfo) -> str:
    fit, numbers = fit_here(model)
    return note_chip(t(f"starter.fit_{fit}"), numbers, _TONES[fit])


def _numbers(estimate: MemoryEstimate, limit: int, free_disk: int) -> str:
    return t("starter.numbers", needed=say.size(estimate.total_bytes), limit=say.size(limit), disk=say.size(free_disk))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
