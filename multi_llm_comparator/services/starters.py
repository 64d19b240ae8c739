"""A starter list: well-known small models by their names on the Hub. Sizes are about right, not exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.hub_files import HubChoice, HubListing

_FILE = Path(__file__).with_suffix(".yaml")


@dataclass(frozen=True, slots=True)
class Starter:
    """One model of the list. ``file`` is the GGUF file; "" means the checkpoint. Sizes are about right, not exact."""

    repo_id: str
    file: str
    parameters: int
    size_bytes: int
    licence: str
    model: ModelInfo
    good_for: str

    def choice_in(self, listing: HubListing) -> HubChoice:
        """What to fetch of what the repository offers.

        Raises:
            DownloadError: it does not offer that any more.
        """
        for choice in listing.choices:
            names = {PurePosixPath(file.name).name for file in choice.files}
            is_checkpoint = choice.kind is ModelType.PYTORCH and not choice.is_pickle
            if self.file in names or (not self.file and is_checkpoint):
                return choice
        raise DownloadError(
            f"{self.repo_id!r} does not offer {self.file or 'a safetensors checkpoint'} any more; "
            "look it up under Download and choose another file"
        )

    def place(self, models_dir: Path) -> Path:
        """Where it lies once it is here."""
        name = self.file or PurePosixPath(self.repo_id).name
        return models_dir / self.model.model_type.value / name


@cache
def starters() -> tuple[Starter, ...]:
    """The list, smallest download first."""
    found = [_read(entry) for entry in parse_yaml(_FILE.read_bytes())]
    return tuple(sorted(found, key=lambda starter: starter.size_bytes))


def _read(entry: dict[str, Any]) -> Starter:
    repo_id, file = entry["repo"], entry["file"]
    layers, heads, head_size, width, feed_forward, words = entry["shape"]
    kind = ModelType.GGUF if file else ModelType.PYTORCH
    size = entry["bytes"]
    known: dict[str, Any] = {
        "parameters": entry["parameters"],
        "context_length": entry["context"],
        "weight_bytes": size,
        # Keys and values in 16 bit.
        "kv_bytes_per_token": 2 * layers * heads * head_size * 2,
        "hidden_size": width,
        "feed_forward_size": feed_forward,
        "vocab_size": words,
        "dtype": "BF16",
        "stored_dtype": "BF16",
    }
    name = PurePosixPath(file).stem if file else PurePosixPath(repo_id).name
    model = ModelInfo(f"starter:{repo_id}", name, repo_id, kind, size, known)
    return Starter(repo_id, file, known["parameters"], size, entry["licence"], model, entry["good_for"])
