"""What a conversion tells: how far it is, and at its end what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

# One of what is being done, and how much of the whole is done, from 0 to 1.
Phase = Literal["reading", "writing", "checking", "quantizing", "comparing"]
Progress = Callable[[Phase, float], None]


def ignore(phase: Phase, share: float) -> None:
    """A progress that nobody watches."""


def part_of(progress: Progress, begin: float, end: float) -> Progress:
    """A progress whose whole is the stretch from ``begin`` to ``end`` of another's."""

    def tell(phase: Phase, share: float) -> None:
        progress(phase, begin + (end - begin) * share)

    return tell


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What was made.

    ``out`` is a file or a folder, ``target`` a quantization or a number type of PyTorch, ``size_bytes`` what it takes
    on disk. ``tensor_types`` counts tensors by the type they are stored in. ``fallbacks`` names the tensors that got
    another type than the quantization wants, because their rows do not fill its blocks.
    """

    out: Path
    target: str
    size_bytes: int
    seconds: float
    tensor_types: dict[str, int]
    fallbacks: dict[str, str]

    @property
    def types_text(self) -> str:
        """``"120 Q5_0, 31 Q8_0"``, the most frequent first."""
        return ", ".join(f"{count} {name}" for name, count in Counter(self.tensor_types).most_common())

    @property
    def fallbacks_text(self) -> str:
        """``"150 tensors fell back to Q5_0, 61 to Q8_0"``; empty where none did."""
        counts = Counter(self.fallbacks.values()).most_common()
        if not counts:
            return ""
        (first, n), *rest = counts
        begin = f"{n} tensors fell back to {first}" if n > 1 else f"1 tensor fell back to {first}"
        return ", ".join([begin, *(f"{count} to {name}" for name, count in rest)])

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"out": str(self.out)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ConversionReport:
        return cls(**(data | {"out": Path(data["out"])}))
