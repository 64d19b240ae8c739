"""Measures what a layer of a model costs on this machine: ``python -m ...cost_process MODEL PRECISION TOKENS RANK``.

In a process of its own, because what it takes of memory is what is measured. The model is built from its configuration
with one layer and with six (of large models with three), of arbitrary weights: what the second has more, and takes
longer, is that of the layers between. Passes of many and of few tokens tell apart what a token costs and what a pass
does.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig

import multi_llm_comparator.training.lora  # noqa: F401 - a tuning's process imports all of this
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.inferencers.pytorch_environment import limit_threads, quieten
from multi_llm_comparator.training.allocator import keep_freed_memory
from multi_llm_comparator.training.chat_rows import IGNORED, Row
from multi_llm_comparator.training.costs import Costs
from multi_llm_comparator.training.lora_linear import fuse_adapters
from multi_llm_comparator.training.model_facts import model_facts
from multi_llm_comparator.training.packs import packs_of
from multi_llm_comparator.training.row_losses import RowLosses

FEW, MORE = 1, 6
# Where so many layers would have more parameters than this, they are fewer: they must fit beside what is at work.
MOST_PARAMETERS, MORE_OF_LARGE = 300_000_000, 3
ROW_TOKENS = 192
SHORT_PASS_TOKENS = 96
# Short work is repeated more often: the difference of two of its times is what counts.
PASSES, MOST_PASSES, REPEATED_S = 3, 12, 1.5
ANSWERS, PROMPT_TOKENS, ANSWER_TOKENS = 6, 64, 8


@dataclass(frozen=True)
class Measured:
    """Of a model with so many layers: seconds of a long pass, a short one, a step of the optimizer and one token of all
    answers, what is kept of a long pass, and its learnt tokens."""

    layers: int
    long_s: float
    short_s: float
    step_s: float
    answer_s: float
    kept_bytes: int
    learnt: int


def main() -> None:
    model_path, precision, tokens, rank = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    # Imports the last of what a tuning does.
    packs_of([1, 1], 2)
    keep_freed_memory()
    limit_threads(available_cpus())
    quieten()
    this = psutil.Process()
    start_s, process_bytes = time.time() - this.create_time(), this.memory_info().rss
    few = _measured(model_path, precision, tokens, rank, FEW)
    more = _measured(model_path, precision, tokens, rank, _more(model_path))
    found = costs_of(few, more, tokens, min(SHORT_PASS_TOKENS, tokens), start_s, process_bytes)
    print(json.dumps(found.to_dict()))


def costs_of(
    few: Measured, more: Measured, tokens: int, short_tokens: int, start_s: float, process_bytes: int
) -> Costs:
    """What a layer costs, from a model of few layers and one of more."""
    layers = more.layers - few.layers
    long_s, short_s = (max(b - a, 0.0) / layers for a, b in ((few.long_s, more.long_s), (few.short_s, more.short_s)))
    layer_s = max(long_s - short_s, 0.0) / (tokens - short_tokens) if tokens > short_tokens else long_s / tokens
    answer_layer_s = max(more.answer_s - few.answer_s, 0.0) / layers
    return Costs(
        layer_s=layer_s,
        pass_layer_s=max(long_s - layer_s * tokens, 0.0),
        head_s=max(few.long_s - few.layers * long_s, 0.0) / few.learnt,
        step_layer_s=max(more.step_s - few.step_s, 0.0) / layers,
        answer_layer_s=answer_layer_s,
        answer_s=max(few.answer_s - few.layers * answer_layer_s, 0.0),
        kept_bytes=int(max(more.kept_bytes - few.kept_bytes, 0) / layers / tokens),
        start_s=start_s,
        process_bytes=process_bytes,
    )


def _more(path: Path) -> int:
    facts = model_facts(path)
    return MORE if MORE * facts.linear_parameters / facts.layers <= MOST_PARAMETERS else MORE_OF_LARGE


def _measured(path: Path, precision: str, tokens: int, rank: int, layers: int) -> Measured:
    config = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    config.num_hidden_layers = layers
    if kinds := getattr(config, "layer_types", None):
        config.layer_types = [kinds[number % len(kinds)] for number in range(layers)]
    model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, precision)).requires_grad_(False)
    if torch.cuda.is_available():
        model.to("cuda")
    losses = RowLosses(model)
    adapted = get_peft_model(model, LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM"))
    fuse_adapters(adapted)
    optimizer = torch.optim.AdamW([p for p in adapted.parameters() if p.requires_grad])
    vocabulary = int(model.get_input_embeddings().num_embeddings)
    rows, few_rows = _rows(vocabulary, tokens), _rows(vocabulary, min(SHORT_PASS_TOKENS, tokens))

    def learnt(some: list[Row]) -> Callable[[], None]:
        def work() -> None:
            loss: Any = losses(some).sum()
            loss.backward()

        return work

    def stepped() -> None:
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)

    losses.begin()
    kept = _kept_bytes(adapted, losses, rows)
    long_s, short_s, step_s = (_fastest(work) for work in (learnt(rows), learnt(few_rows), stepped))
    losses.end()
    answer_s = _fastest(lambda: _answered(adapted, vocabulary)) / ANSWER_TOKENS
    return Measured(layers, long_s, short_s, step_s, answer_s, kept, sum(row.learnt_tokens for row in rows))


def _fastest(work: Callable[[], None]) -> float:
    """Seconds; whatever else the machine does makes it slower."""
    times: list[float] = []
    while len(times) < PASSES or (len(times) < MOST_PASSES and sum(times) < REPEATED_S):
        began = time.perf_counter()
        work()
        if torch.cuda.is_available():
            # What was asked of a GPU is done later.
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times)


@torch.no_grad()
def _answered(model: Any, vocabulary: int) -> None:
    """As many answers as are written together at an evaluation."""
    ids = torch.randint(0, vocabulary, (ANSWERS, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    ids = ids.to(model.device)
    how = GenerationConfig(
        max_new_tokens=ANSWER_TOKENS, min_new_tokens=ANSWER_TOKENS, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    model.eval()
    model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=how)
    model.train()


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
