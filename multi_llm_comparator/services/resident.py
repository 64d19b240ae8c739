"""One model in memory, or on its way there."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Literal

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.memory_manager import MemoryEstimate
from multi_llm_comparator.services.model_process import ModelProcess

ResidentState = Literal["loading", "ready", "failed"]


@dataclass
class Resident:
    """A model with its process, as the table of :mod:`services.residency` holds it.

    Attributes:
        files: says which contents its files have, see :func:`key_of`.
        loading_since: when its loading began, on the clock of :func:`core.clock.now`; it took ``load_s``.
        active: requests that hold it in memory; ``decoding`` of them are being answered.
        slots: how many it decodes together at most; 0 stands for as many as ``options`` say.
        idle_since: when the last request left it.
    """

    model: ModelInfo
    engine: str
    options: LoadOptions
    files: str
    estimate: MemoryEstimate
    state: ResidentState = "loading"
    process: ModelProcess | None = None
    loading: asyncio.Task[None] | None = None
    loading_since: float = field(default_factory=now)
    load_s: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    error: MultiLLMError | None = None
    active: int = 0
    decoding: int = 0
    slots: int = 0
    idle_since: float = field(default_factory=now)

    @property
    def key(self) -> str:
        return key_of(self.model, self.options, self.files)

    @property
    def is_usable(self) -> bool:
        return self.state == "loading" or (self.process is not None and self.process.is_alive)

    @property
    def batched(self) -> int:
        """Other requests that are answered together with one of this model's."""
        return max(0, min(self.decoding, self.slots or self.options.parallel) - 1)

    @property
    def device(self) -> str:
        return str(self.info.get("device") or self.estimate.device)


def key_of(model: ModelInfo, options: LoadOptions, files: str) -> str:
    """Under which a model is resident; ``files`` says which contents its files have."""
    return f"{model.id}:{options!r}:{files}"
