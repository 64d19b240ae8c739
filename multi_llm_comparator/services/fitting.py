"""Whether a model that is not here yet would fit on this machine."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.devices import free_ram_bytes
from multi_llm_comparator.services.hub import SPARE_BYTES
from multi_llm_comparator.services.hub_files import HubListing
from multi_llm_comparator.services.memory_manager import MemoryEstimate, MemoryManager

# Above this share of what models may take together, there is little room left for another one beside it.
TIGHT_SHARE = 0.7
USUAL_CONTEXT = 2048

Fit = Literal["fits", "tight", "too_large", "no_disk"]


@dataclass(frozen=True, slots=True)
class Fitting:
    """Whether a model fits, and the numbers behind that."""

    fit: Fit
    estimate: MemoryEstimate
    limit_bytes: int
    free_disk_bytes: int


def fit_of(download_bytes: int, needed_bytes: int, *, limit_bytes: int, free_bytes: int, free_disk_bytes: int) -> Fit:
    """Whether a model that needs so much memory fits where models may take ``limit_bytes`` together, of which
    ``free_bytes`` are free now, and its download beside what is on the disk."""
    if download_bytes + SPARE_BYTES > free_disk_bytes:
        return "no_disk"
    if needed_bytes > limit_bytes:
        return "too_large"
    return "tight" if needed_bytes > min(free_bytes, TIGHT_SHARE * limit_bytes) else "fits"


def fitting(model: ModelInfo, memory: MemoryManager, settings: Settings) -> Fitting:
    """Whether it fits here. What its header does not say yet counts as nothing but its file."""
    n_ctx = min(USUAL_CONTEXT, model.config.get("context_length", USUAL_CONTEXT))
    estimate = memory.estimate(model, LoadOptions(n_ctx=n_ctx, parallel=settings.parallel_requests))
    limit = memory.limit_bytes(estimate.device)
    free_disk = shutil.disk_usage(_existing(settings.models_dir)).free
    free = min(limit, free_ram_bytes()) if estimate.device == "cpu" else limit
    found = fit_of(model.size, estimate.total_bytes, limit_bytes=limit, free_bytes=free, free_disk_bytes=free_disk)
    return Fitting(found, estimate, limit, free_disk)


def as_model(listing: HubListing, number: int) -> ModelInfo:
    """What a repository offers under a number, as far as it is known before it is here."""
    choice = listing.choices[number]
    return ModelInfo(f"hub:{listing.repo_id}:{number}", choice.title, listing.repo_id, choice.kind, choice.size_bytes)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())
