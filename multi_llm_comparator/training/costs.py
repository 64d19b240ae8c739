"""What a layer of a model costs on this machine, measured by a short step and kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Costs:
    """Of one model, in one precision, with the threads of this process.

    ``layer_s`` and ``head_s`` are seconds per token of one layer, and per learnt token of the last one, forwards and
    backwards; ``step_s`` is for each step besides. ``kept_bytes`` is what a layer keeps of one token for the backward
    pass, ``process_bytes`` what there is without a model.
    """

    layer_s: float
    head_s: float
    step_s: float
    kept_bytes: int
    process_bytes: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
