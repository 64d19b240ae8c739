"""What a tuning will need, said before it starts: memory at its peak, and time.

Without torch, so that a page can ask. Memory is counted from the sizes of the model and of what is computed together;
how much a layer keeps for each token, and how long it takes, depends on the kind of model and on the machine: that is
measured once by a short step (see :mod:`~multi_llm_comparator.training.costs`), and assumed until then.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import psutil

from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.exceptions import InsufficientMemoryError
from multi_llm_comparator.services.memory_watch import work_limit_bytes
from multi_llm_comparator.training.base_model import computes_in
from multi_llm_comparator.training.costs import Costs
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_steps import AUTO_EVALUATIONS, LOSS_CHUNK_TOKENS

PROCESS_BYTES = 450 * 2**20
# What the backward pass needs beside what was kept for it, and what the allocator holds in between.
AROUND_KEPT = 1.4
NF4_BYTES = 0.56
# Of an adapter's value: itself, its gradient, two moments, and what a step makes meanwhile; all float32.
ADAPTER_BYTES = 20
# Assumed of a machine that was not measured: floating point operations per second and core, and seconds for the rest.
ASSUMED_FLOPS = {"float32": 40e9, "bfloat16": 90e9}
OTHER_S_PER_STEP = 0.02
START_S = 15.0
# Of free memory, what a tuning may plan with.
USABLE = 0.95
SECOND_FORWARD = 4 / 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a tuning needs at its peak, and how long it takes.

    ``parts`` divide ``peak_bytes``; ``why`` says why it does not fit, or is empty. ``is_measured`` tells whether the
    machine was measured, ``checkpointing`` whether the forward pass is computed twice to save memory.
    """

    peak_bytes: int
    seconds: float
    steps: int
    parts: dict[str, int]
    checkpointing: bool
    is_measured: bool
    available_bytes: int
    why: str = ""

    @property
    def fits(self) -> bool:
        return not self.why

    def check_fits(self, name: str) -> None:
        """Refuse what cannot fit.

        Raises:
            InsufficientMemoryError: with the numbers, and what to change.
        """
        if self.why:
            raise InsufficientMemoryError(
                f"tuning {name!r} {self.why}", needed_bytes=self.peak_bytes, available_bytes=self.available_bytes
            )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"fits": self.fits}


def estimate(
    options: TuningOptions,
    statistics: DataStatistics,
    facts: ModelFacts,
    costs: Costs | None = None,
    available_bytes: int | None = None,
) -> Estimate:
    """Estimate a tuning.

    Args:
        costs: what was measured of this model on this machine; None: assumptions.
        available_bytes: of memory; None: what is free now, within what all models together may take.
    """
    if available_bytes is None:
        available_bytes = int(min(psutil.virtual_memory().available * USABLE, work_limit_bytes()))
    plain = _parts(options, statistics, facts, costs, checkpointing=False)
    checkpointing = options.checkpointing is True
    parts = plain
    if checkpointing or (options.checkpointing == "auto" and sum(plain.values()) > available_bytes):
        parts, checkpointing = _parts(options, statistics, facts, costs, checkpointing=True), True
    peak = sum(parts.values())
    steps, seconds = _time(options, statistics, facts, costs, checkpointing)
    return Estimate(
        peak_bytes=peak,
        seconds=seconds,
        steps=steps,
        parts=parts,
        checkpointing=checkpointing,
        is_measured=costs is not None,
        available_bytes=available_bytes,
        why=_why(options, parts, available_bytes) if peak > available_bytes else "",
    )


def together(options: TuningOptions, statistics: DataStatistics) -> int:
    """Tokens of the largest pass: a full pack, or the longest row; of pairs both rows."""
    rows_together = 2 if options.method == "dpo" else 1
    longest = min(statistics.longest, options.max_tokens) * rows_together
    if not options.packing:
        return longest
    mean = statistics.tokens / max(statistics.rows, 1)
    filled = min(options.pack_tokens, math.ceil(mean * options.in_step * rows_together), statistics.tokens)
    return max(longest, filled)


def _number_bytes(options: TuningOptions, facts: ModelFacts) -> int:
    return 2 if computes_in(options, stored=facts.dtype) == "bfloat16" else 4


def _parts(
    options: TuningOptions, statistics: DataStatistics, facts: ModelFacts, costs: Costs | None, *, checkpointing: bool
) -> dict[str, int]:
    number_bytes, tokens = _number_bytes(options, facts), together(options, statistics)
    weights = facts.parameters * number_bytes
    if options.method == "qlora":
        weights = int(facts.linear_parameters * NF4_BYTES) + (facts.parameters - facts.linear_parameters) * number_bytes
    a_layer = (costs.kept_bytes if costs else _assumed_kept(facts, number_bytes)) * tokens
    kept = a_layer * facts.layers
    if checkpointing:
        kept = a_layer + facts.width * number_bytes * tokens * facts.layers
    learnt = min(tokens, LOSS_CHUNK_TOKENS)
    return {
        "process": PROCESS_BYTES,
        "weights": weights,
        "adapters": facts.linear_ends * options.rank * ADAPTER_BYTES,
        "activations": int(kept * AROUND_KEPT),
        "logits": learnt * facts.vocabulary * (8 + number_bytes) + 2 * tokens * facts.width * number_bytes,
    }


def _assumed_kept(facts: ModelFacts, number_bytes: int) -> int:
    """Bytes that a layer keeps of one token: inputs of its products, norms and gates."""
    return number_bytes * (8 * facts.width + 5 * facts.feed_forward)


def _time(
    options: TuningOptions, statistics: DataStatistics, facts: ModelFacts, costs: Costs | None, checkpointing: bool
) -> tuple[int, float]:
    examples = statistics.rows // 2 if options.method == "dpo" else statistics.rows
    steps = max(1, math.ceil(math.ceil(examples / options.in_step) * options.epochs))
    tokens, learnt = statistics.tokens * options.epochs, statistics.learnt_tokens * options.epochs
    if costs is not None:
        seconds = tokens * facts.layers * costs.layer_s + learnt * costs.head_s + steps * costs.step_s
    else:
        # A product forwards, and one backwards for what lies before; weights that are frozen want no gradient.
        work = 4.0 * facts.linear_parameters * tokens + 4.0 * facts.vocabulary * facts.width * learnt
        speed = ASSUMED_FLOPS["bfloat16" if _number_bytes(options, facts) == 2 else "float32"] * available_cpus()
        seconds = work / speed + steps * OTHER_S_PER_STEP
    if checkpointing:
        seconds *= SECOND_FORWARD
    if options.method == "dpo":
        seconds *= 1 + 0.5 / max(options.epochs, 1.0)
    return steps, START_S + seconds + _evaluations(options, steps, seconds)


def _evaluations(options: TuningOptions, steps: int, training_s: float) -> float:
    """Seconds of all evaluations: half the work of learning as many rows, each time."""
    split = options.data.split
    if not split.share:
        return 0.0
    every = options.evaluate_every
    count = (AUTO_EVALUATIONS if every == "auto" else steps // every) + 2
    share = split.share / (1 - split.share)
    return count * share * training_s / max(options.epochs, 1e-9) * 0.5


def _why(options: TuningOptions, parts: dict[str, int], available_bytes: int) -> str:
    needed, free = sum(parts.values()) / 1e9, available_bytes / 1e9
    largest = max(parts, key=lambda name: parts[name])
    ways = {
        "weights": "tune a smaller model" + ("" if options.method == "qlora" else ", or take the method 'qlora'"),
        "activations": "lower pack_tokens and max_tokens"
        + ("" if options.checkpointing else ", or allow checkpointing"),
        "logits": "lower pack_tokens and max_tokens",
        "adapters": "lower rank",
        "process": "unload other models",
    }
    return f"needs about {needed:.1f} GB, most of it for {largest}, and {free:.1f} GB are free; {ways[largest]}"
