"""LoRA adapters of random numbers, as peft writes them, and checkpoints with them merged in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


def make_adapter(
    folder: Path,
    base: Path,
    *,
    seed: int = 0,
    rank: int = 4,
    targets: Iterable[str] = ALL_LINEAR,
    spread: float = 0.3,
    ranks: dict[str, int] | None = None,
    **config: Any,
) -> Path:
    """Write a peft folder for the float32 checkpoint ``base``.

    Args:
        spread: how much the adapter changes; with the tiny checkpoints' weights, 0.3 gives another text.
        ranks: modules' last names with ranks of their own.
    """
    random = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    for name, weight in load_file(base / "model.safetensors").items():
        module = name.removesuffix(".weight")
        last = module.rpartition(".")[2]
        if last in targets and weight.ndim == 2:
            own = (ranks or {}).get(last, rank)
            outputs, inputs = weight.shape
            first = random.normal(0, spread / np.sqrt(own), (own, inputs)).astype(np.float32)
            second = random.normal(0, spread, (outputs, own)).astype(np.float32)
            tensors[f"base_model.model.{module}.lora_A.weight"] = first
            tensors[f"base_model.model.{module}.lora_B.weight"] = second
    told = {
        "peft_type": "LORA",
        "base_model_name_or_path": str(base),
        "r": rank,
        "lora_alpha": 2 * rank,
        "bias": "none",
    }
    told |= {"target_modules": list(targets), "fan_in_fan_out": False, "task_type": "CAUSAL_LM"}
    if ranks:
        told["rank_pattern"] = ranks
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({**told, **config}), encoding="utf-8")
    save_file(tensors, folder / "adapter_model.safetensors")
    return folder


def merged(base: Path, adapter: Path, out: Path, *, scaling: float = 2.0, scale: float = 1.0) -> Path:
    """The checkpoint ``base`` with ``scale * scaling * B @ A`` added to its weights, computed in float64."""
    shutil.copytree(base, out)
    weights = load_file(base / "model.safetensors")
    matrices = load_file(adapter / "adapter_model.safetensors")
    for name in [name for name in matrices if ".lora_A." in name]:
        module = name.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        first, second = (matrices[key].astype(np.float64) for key in (name, name.replace(".lora_A.", ".lora_B.")))
        added = scale * scaling * (second @ first)
        weights[f"{module}.weight"] = (weights[f"{module}.weight"] + added).astype(np.float32)
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    return out
