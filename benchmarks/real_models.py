"""The real model that is measured, four ways: SmolLM2-135M-Instruct as PyTorch, Q8_0, Q4_1 and Q4_0.

    python -m benchmarks.real_models

They lie in ``models/bench``, arranged like any models folder, and are made once: Q4_1 is what the package index has,
the others are made from it by the project's own conversion.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator.conversion.gguf_import import gguf_to_pytorch
from multi_llm_comparator.conversion.gguf_quantize import quantize_gguf
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.first_model import FIRST_MODEL, fetch

NAME = FIRST_MODEL.name
MADE = ("Q8_0", "Q4_0")


@dataclass(frozen=True)
class RealModels:
    """A models folder with the four; names are those that a page shows and an engine takes."""

    folder: Path
    pytorch: str
    gguf: dict[str, str]

    def file(self, quantization: str) -> Path:
        return self.folder / "gguf" / f"{self.gguf[quantization]}.gguf"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "pytorch" / self.pytorch

    @property
    def four(self) -> tuple[str, ...]:
        """All four names: the page's first choice."""
        return (self.pytorch, *(self.gguf[quantization] for quantization in ("Q8_0", "Q4_1", "Q4_0")))


def real_models() -> RealModels:
    """The four, made where they are missing: a minute the first time."""
    home = get_settings().models_dir
    folder = home / "bench"
    stem = FIRST_MODEL.path(folder).stem
    gguf = {"Q4_1": stem} | {kind: stem.replace("Q4_1", kind) for kind in MADE}
    models = RealModels(folder, NAME, gguf)
    original = models.file("Q4_1")
    original.parent.mkdir(parents=True, exist_ok=True)
    if not original.exists() and FIRST_MODEL.path(home).exists():
        shutil.copy(FIRST_MODEL.path(home), original)
    asyncio.run(fetch(FIRST_MODEL, folder, lambda share: None))
    for kind in MADE:
        if not models.file(kind).exists():
            print(f"making {models.file(kind)}", flush=True)
            quantize_gguf(original, models.file(kind), kind)
    if not models.checkpoint.exists():
        print(f"making {models.checkpoint}", flush=True)
        models.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        gguf_to_pytorch(original, models.checkpoint)
    return models


if __name__ == "__main__":
    made = real_models()
    print(made.checkpoint, *(made.file(kind) for kind in made.gguf), sep="\n")
