"""How the model that is tuned is loaded, and which models cannot be; no torch."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.cpus import multiplies_bfloat16
from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.devices import Device, gpus, torch_runs_on_gpu
from multi_llm_comparator.training.together import this_place
from multi_llm_comparator.training.tuning_options import TuningOptions

ROUNDED = (
    "The frozen weights are computed in bfloat16, as they are stored; adapters are float32. With precision 'float32' "
    "everything is, in twice the memory and two to four times the time."
)


def computes_on_gpu() -> bool:
    """Whether a tuning on this machine computes on a GPU with memory of its own: there is one, and torch is for it."""
    return any(gpu.name.startswith("cuda") for gpu in _gpus())


def _gpus() -> tuple[Device, ...]:
    """Those that torch can compute on in this process: a job that asked for none is shown none."""
    return gpus() if torch_runs_on_gpu() and os.environ.get("CUDA_VISIBLE_DEVICES") != "" else ()


def computes_in(options: TuningOptions, *, stored: str) -> str:
    """``"bfloat16"`` or ``"float32"``: the type of the frozen weights and of what passes through them."""
    if options.precision != "auto":
        return options.precision
    return "bfloat16" if stored == "bfloat16" and (_gpus() or multiplies_bfloat16()) else "float32"


def load_options(options: TuningOptions, files: CheckpointFiles) -> LoadOptions:
    """How the base is loaded for training."""
    config = files.config
    stored = str(config.get("dtype") or config.get("torch_dtype") or "float32")
    return LoadOptions(
        n_ctx=options.max_tokens,
        torch_dtype=computes_in(options, stored=stored),
        quantization="4bit" if options.method == "qlora" else "none",
        gpu=this_place().number_here,
    )


def refuse_what_cannot_be_tuned(files: CheckpointFiles, options: TuningOptions) -> None:
    """Before anything is loaded.

    Raises:
        UnsupportedModelError: the checkpoint is quantised, or the method cannot be had here.
    """
    if files.config.get("quantization_config"):
        raise UnsupportedModelError(
            f"{str(files.folder)!r} is quantised, and what is learnt could not be merged into it; tune the checkpoint "
            "that it was made from"
        )
    if options.method == "qlora" and (reason := why_no_qlora(files.config)):
        raise UnsupportedModelError(f"{str(files.folder)!r} cannot be tuned by 'qlora': {reason}; take 'lora'")


def why_no_qlora(config: dict[str, Any]) -> str | None:
    """Why 4 bits cannot be had here, or None."""
    if importlib.util.find_spec("bitsandbytes") is None:
        return "the package bitsandbytes is not installed (pip install bitsandbytes)"
    narrow = [config.get(name) for name in ("hidden_size", "intermediate_size")]
    if any(isinstance(width, int) and width % 64 for width in narrow):
        return f"its layers of width {narrow[0]} and {narrow[1]} do not divide into blocks of 64"
    return None


def rounding_note(precision: str) -> str | None:
    """What a person should know of how the weights are computed."""
    return ROUNDED if precision == "bfloat16" else None
