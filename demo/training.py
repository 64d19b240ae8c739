"""The training loop: short rows, loss on answers only, a schedule that follows the clock, resumable."""

import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

from demo.conversations import IGNORED, Row, encode
from demo.shapes import Shape
from demo.sources import conversations_of
from demo.tokens import END_OF_TEXT, token_id

TOKENS_PER_STEP = 2048
TOKENS_PER_FORWARD = 768
STEPS_PER_POOL = 8
WARMUP_STEPS = 100
STABLE_SHARE = 0.7
"""The learning rate stays at its peak for this share of the time, then falls to nothing, fast at first."""
CHECKPOINT_EVERY_S = 120.0
LONGEST_STEP_S = 20.0


@dataclass(slots=True)
class Progress:
    """How far a training run is; stored with its checkpoint."""

    step: int = 0
    elapsed_s: float = 0.0
    tokens: int = 0
    answer_tokens: int = 0


def learning_rate_scale(step: int, share: float) -> float:
    """The factor on the peak learning rate after `step` steps and `share` of the time."""
    warm = min(1.0, (step + 1) / WARMUP_STEPS)
    fallen = min(1.0, max(0.0, (share - STABLE_SHARE) / (1.0 - STABLE_SHARE)))
    return warm * (1.0 - math.sqrt(fallen))


Batch = tuple[torch.Tensor, torch.Tensor]
"""Ids and labels, rows x tokens, padded on the right."""


def pool_of_steps(shape: Shape, tokenizer: Tokenizer, pool: int) -> list[list[Batch]]:
    """The batches of `STEPS_PER_POOL` steps: a function of the model's seed and the pool's number alone.

    Rows are grouped by length over the whole pool, which leaves little padding, and the groups are dealt to the
    steps at random, so that each step still sees several lengths and thereby several tasks.
    """
    rng = random.Random(f"{shape.seed}|{pool}")
    source = conversations_of(shape, rng)
    rows: list[Row] = []
    size = 0
    while size < TOKENS_PER_STEP * STEPS_PER_POOL:
        rows.append(encode(tokenizer, source.conversation()))
        size += len(rows[-1].ids)
    batches = list(same_length_batches(rows, token_id(tokenizer, END_OF_TEXT)))
    rng.shuffle(batches)
    return [batches[first::STEPS_PER_POOL] for first in range(STEPS_PER_POOL)]


def same_length_batches(rows: list[Row], pad_id: int) -> Iterator[Batch]:
    """Rows of similar length, padded on the right.

    Attention is causal and padding carries no loss, so padded places influence nothing and need no mask.
    """
    group: list[Row] = []
    ordered = sorted(rows, key=lambda row: len(row.ids))
    for place, row in enumerate(ordered):
        group.append(row)
        following = ordered[place + 1] if place + 1 < len(ordered) else None
        if following is None or (len(group) + 1) * len(following.ids) > TOKENS_PER_FORWARD:
            width = len(group[-1].ids)
            ids = [r.ids + [pad_id] * (width - len(r.ids)) for r in group]
            labels = [r.labels + [IGNORED] * (width - len(r.labels)) for r in group]
            yield torch.tensor(ids), torch.tensor(labels)
            group = []


def answer_loss(model: PreTrainedModel, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy at the places that predict an answer token; only there are logits computed."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    places = wanted != IGNORED
    return cross_entropy(model.lm_head(hidden[places]).float(), wanted[places], reduction="sum")


def make_optimizers(model: PreTrainedModel, shape: Shape) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers, AdamW for embeddings, norms and biases."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.ndim != 2 or "embed" in name]
    rate = shape.learning_rate
    return [
        torch.optim.Muon(matrices, lr=rate * 2.5, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


class Trainer:
    """Trains one model for a while; `tell` gets a line now and then."""

    def __init__(self, model: PreTrainedModel, tokenizer: Tokenizer, shape: Shape, work: Path) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.shape = shape
        self.progress = Progress()
        self._optimizers = make_optimizers(model, shape)
        self._peaks = [[group["lr"] for group in o.param_groups] for o in self._optimizers]
        self._file = work / f"{shape.name}.pt"
        self._pad_id = int(model.config.pad_token_id)
        self._pool: list[list[Batch]] = []
        # In bfloat16 on a CPU the fused attention's backward pass takes a third of a step; matrix products do not.
        model.set_attn_implementation("eager")

    def save(self) -> None:
        """Writes the checkpoint beside the old one, then takes its place."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self._optimizers],
            "progress": {name: getattr(self.progress, name) for name in Progress.__slots__},
        }
        partial = self._file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._file)

    def resume(self) -> None:
        """Continues from the checkpoint."""
        state = torch.load(self._file, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.progress = Progress(**state["progress"])

    def step(self, share: float) -> float:
        """One optimiser step; returns the mean loss of an answer token."""
        pool, place = divmod(self.progress.step, STEPS_PER_POOL)
        if place == 0 or not self._pool:
            self._pool = pool_of_steps(self.shape, self.tokenizer, pool)
        batches = self._pool[place]
        wanted = sum(int((labels[:, 1:] != IGNORED).sum()) for _, labels in batches)
        total = 0.0
        for ids, labels in batches:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = answer_loss(self.model, ids, labels) / wanted
            torch.autograd.backward(loss)
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        scale = learning_rate_scale(self.progress.step, share)
        for optimizer, peaks in zip(self._optimizers, self._peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * scale
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.progress.tokens += sum(int((ids != self._pad_id).sum()) for ids, _ in batches)
        self.progress.answer_tokens += wanted
        return total

    def run(self, budget_s: float, look_every_s: float, look: Callable[["Trainer"], None]) -> None:
        """Steps until `budget_s` seconds of training, earlier runs included, are spent; calls `look` now and then."""
        last = saved = looked = time.monotonic()
        losses: list[float] = []
        self.model.train()
        while self.progress.elapsed_s < budget_s:
            losses.append(self.step(self.progress.elapsed_s / budget_s))
            now = time.monotonic()
            # A machine that was asleep or a run that was suspended trained nothing meanwhile.
            self.progress.elapsed_s += min(now - last, LONGEST_STEP_S)
            last = now
            if self.progress.step % 50 == 0:
                print(json.dumps(self._line(sum(losses) / len(losses))), flush=True)
                losses = []
            if now - saved > CHECKPOINT_EVERY_S:
                self.save()
                saved = now
            if now - looked > look_every_s:
                look(self)
                self.model.train()
                looked = time.monotonic()
        self.save()

    def record(self) -> dict[str, float | int | str]:
        """What the model card says about the training."""
        p = self.progress
        return {
            "model": self.shape.name,
            "data_seed": self.shape.seed,
            "steps": p.step,
            "minutes": round(p.elapsed_s / 60, 1),
            "tokens": p.tokens,
            "answer_tokens": p.answer_tokens,
            "hard_share": self.shape.hard_share,
        }

    def _line(self, loss: float) -> dict[str, float]:
        p = self.progress
        return {
            "step": p.step,
            "minutes": round(p.elapsed_s / 60, 1),
            "tokens": p.tokens,
            "tokens_per_s": round(p.tokens / max(p.elapsed_s, 1e-9)),
            "loss": round(loss, 4),
        }
