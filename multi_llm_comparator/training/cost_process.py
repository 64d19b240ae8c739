"""Measures what a layer of a model costs on this machine: ``python -m ...cost_process MODEL PRECISION TOKENS RANK``.

In a process of its own, because what it takes of memory is what is measured. The model is built from its configuration
with one layer and with three, of arbitrary weights: what the second has more, and takes longer, is that of two layers.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.inferencers.pytorch_environment import limit_threads, quieten
from multi_llm_comparator.training.allocator import keep_freed_memory
from multi_llm_comparator.training.chat_rows import IGNORED, Row
from multi_llm_comparator.training.costs import Costs
from multi_llm_comparator.training.lora_linear import fuse_adapters
from multi_llm_comparator.training.row_losses import RowLosses

FEW, MORE = 1, 3
ROW_TOKENS = 192
PASSES = 3


def main() -> None:
    model_path, precision, tokens, rank = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    keep_freed_memory()
    limit_threads(available_cpus())
    quieten()
    few = _pass(Path(model_path), precision, tokens, rank, FEW)
    more = _pass(Path(model_path), precision, tokens, rank, MORE)
    layers = MORE - FEW
    layer_s = max((more.seconds - few.seconds) / layers / tokens, 0.0)
    kept = max((more.kept_bytes - few.kept_bytes) / layers / tokens, 0.0)
    head_s = max(few.seconds - FEW * layer_s * tokens, 0.0) / few.learnt
    print(json.dumps(Costs(layer_s, head_s, more.step_s, int(kept)).to_dict()))


class _Pass:
    def __init__(self, seconds: float, step_s: float, kept_bytes: int, learnt: int) -> None:
        self.seconds, self.step_s, self.kept_bytes, self.learnt = seconds, step_s, kept_bytes, learnt


def _pass(path: Path, precision: str, tokens: int, rank: int, layers: int) -> _Pass:
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, precision)).requires_grad_(False)
    losses = RowLosses(model)
    adapted = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    fuse_adapters(adapted)
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad])
    rows = _rows(int(model.get_input_embeddings().num_embeddings), tokens)
    losses.begin()
    kept = _kept_bytes(adapted, losses, rows)
    times, steps = [], []
    for _ in range(PASSES):
        began = time.perf_counter()
        loss: Any = losses(rows).sum()
        loss.backward()
        times.append(time.perf_counter() - began)
        began = time.perf_counter()
        optimizer.step()
        optimizer.zero_grad()
        steps.append(time.perf_counter() - began)
    losses.end()
    learnt = sum(row.learnt_tokens for row in rows)
    return _Pass(min(times), min(steps), kept, learnt)


def _kept_bytes(model: Any, losses: RowLosses, rows: list[Row]) -> int:
    """What a forward pass keeps for the backward pass, each piece of memory once, weights not counted.

    Counted rather than read from the system: the allocator uses what earlier passes have freed.
    """
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    found: dict[int, int] = {}

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss: Any = losses(rows).sum()
    # Held until here, so that no piece of memory was given out twice.
    del loss
    return sum(found.values())


def _rows(vocabulary: int, tokens: int) -> list[Row]:
    drawn = np.random.default_rng(0)
    rows = []
    for begin in range(0, tokens, ROW_TOKENS):
        ids = drawn.integers(0, vocabulary, min(ROW_TOKENS, tokens - begin)).astype(np.int32)
        labels = ids.copy()
        labels[: len(ids) // 2] = IGNORED
        rows.append(Row(ids, labels))
    return [row for row in rows if len(row.input_ids) > 1]


if __name__ == "__main__":
    main()
