"""What a checkpoint's small files tell about its size, without torch and without reading a weight."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan.reading import HeaderRoom
from multi_llm_comparator.services.scan.safetensors_header import read_safetensors_header

_NOT_IN_BLOCKS = ("embed", "lm_head", "wte", "wpe", "output.weight")


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Sizes of a model: all its ``parameters``, those of the linear layers in its blocks, and their inputs and outputs.

    ``linear_ends`` is the sum of inputs and outputs over all those layers: an adapter of rank r has r times as many
    values. ``context`` is what it was made for, None if it does not say. ``dtype`` is how it is stored.
    """

    parameters: int
    linear_parameters: int
    linear_ends: int
    layers: int
    width: int
    feed_forward: int
    vocabulary: int
    context: int | None
    dtype: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def model_facts(folder: Path) -> ModelFacts:
    """Read them from ``config.json`` and the headers of the weights.

    Raises:
        ModelLoadError: the configuration is missing or does not say how large the model is.
    """
    files = CheckpointFiles(folder)
    config = files.config
    nested = config.get("text_config")
    text: dict[str, Any] = nested if isinstance(nested, dict) else config
    layers, width = (_whole(text, *names) for names in (("num_hidden_layers", "n_layer"), ("hidden_size", "n_embd")))
    vocabulary = _whole(text, "vocab_size")
    if not layers or not width or not vocabulary:
        raise ModelLoadError(f"{str(folder / 'config.json')!r} does not say how large the model is; fetch it again")
    feed_forward = _whole(text, "intermediate_size", "n_inner") or 4 * width
    shapes = _shapes(files)
    linear = [s for name, s in shapes.items() if len(s) == 2 and not any(part in name for part in _NOT_IN_BLOCKS)]
    guessed = layers * (4 * width * width + 3 * width * feed_forward)
    ends = sum(sum(shape) for shape in linear) or layers * (8 * width + 3 * (width + feed_forward))
    return ModelFacts(
        parameters=sum(math.prod(shape) for shape in shapes.values()) or guessed + 2 * vocabulary * width,
        linear_parameters=sum(math.prod(shape) for shape in linear) or guessed,
        linear_ends=ends,
        layers=layers,
        width=width,
        feed_forward=feed_forward,
        vocabulary=vocabulary,
        context=_whole(text, "max_position_embeddings", "n_positions") or None,
        dtype=str(text.get("dtype") or text.get("torch_dtype") or config.get("torch_dtype") or "float32"),
    )


def _whole(config: dict[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40:
            return value
    return 0


def _shapes(files: CheckpointFiles) -> dict[str, tuple[int, ...]]:
    """Of all tensors, by name; empty for weights that are pickles, which have no header."""
    found: dict[str, tuple[int, ...]] = {}
    try:
        for path in files.weights:
            found |= {tensor.name: tensor.shape for tensor in read_safetensors_header(path, HeaderRoom())}
    except (ModelLoadError, OSError, ValueError):
        return {}
    return found
