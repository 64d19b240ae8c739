"""A model in memory, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.resident import Resident, ResidentState


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """``active`` counts its requests; ``idle_since`` None means busy. ``memory_bytes`` is measured, where it is known.

    ``slots`` requests are decoded together at most; ``speeds`` are tokens/s of so many together, as far as known.
    """

    key: str
    model_id: str
    name: str
    state: ResidentState
    memory_bytes: int | None
    estimated_bytes: int
    active: int
    pid: int | None
    device: str
    options: LoadOptions
    info: dict[str, Any]
    idle_since: float | None
    slots: int
    speeds: dict[int, float]


def loaded_model(resident: Resident, memory_bytes: int | None, speeds: dict[int, float]) -> LoadedModel:
    """What ``resident`` is at this moment."""
    return LoadedModel(
        key=resident.key,
        model_id=resident.model.id,
        name=resident.model.name,
        state=resident.state,
        memory_bytes=memory_bytes,
        estimated_bytes=resident.estimate.total_bytes,
        active=resident.active,
        pid=resident.process.pid if resident.process else None,
        device=resident.device,
        options=resident.options,
        info=resident.info,
        idle_since=None if resident.active else resident.idle_since,
        slots=resident.slots or resident.options.parallel,
        speeds=speeds,
    )
