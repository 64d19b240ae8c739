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
from multi_llm_comparator.services.devices import gpu_loads, ram_bytes
from multi_llm_comparator.services.memory_watch import work_limit_bytes
from multi_llm_comparator.training.base_model import computes_in, computes_on_gpu
from multi_llm_comparator.training.costs import Costs
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.tuning_options import TuningOptions
from multi_llm_comparator.training.tuning_steps import (
    LOSS_CHUNK_TOKENS,
    MOST_HOLES_BYTES,
    evaluate_every,
    fill_step,
    filled_up,
    step_count,
)

PROCESS_BYTES = 700 * 2**20
# What the backward pass needs beside what was kept for it, and what the allocator holds in between, by the bytes of a
# number: much of what passes through a model in bfloat16 is float32 for a while. And what does not grow with tokens:
# kernels' own memory, and copies of weights as they want them laid out. Both were fitted to twenty jobs on two kinds of
# processors.
AROUND_KEPT = {2: 1.5, 4: 1.18}
KERNEL_BYTES, WEIGHTS_LAID_OUT = 90 * 10**6, 0.5
NF4_BYTES = 0.56
# Of an adapter's value, all float32: itself and two moments while most is kept of the pass forwards; with its gradient
# and what a step makes meanwhile once all of that is free.
ADAPTER_BYTES, ADAPTER_STEP_BYTES = 12, 20
# Assumed of a machine that was not measured: floating point operations per second and core, or of a GPU, and seconds
# for the rest; a GPU waits for each layer to be begun, however little there is to compute.
ASSUMED_FLOPS = {"float32": 40e9, "bfloat16": 90e9}
ASSUMED_GPU_FLOPS = {"float32": 8e12, "bfloat16": 25e12}
ASSUMED_GPU_PASS_S = 0.003
START_S = 12.0
ANSWER_S_PER_LAYER = 0.0015
# Seconds that no short step tells: reading, cleaning and writing; and of each step, what the trainer does around it.
AROUND_S = 2.0
AROUND_STEP_S = 0.02
# How many times as long a layer takes for a token in a job as in the fastest of a few equal passes through six layers:
# there rows are of many lengths, and other values have been in the caches meanwhile. Fitted to twenty jobs on a CPU.
IN_A_JOB = 1.35
# Of free memory, what a tuning may plan with.
USABLE = 0.95
SECOND_FORWARD = 4 / 3
# Of the work of learning a row, what measuring it takes: the way forwards alone.
FORWARD = 0.4
# How many standard deviations above the mean the largest of many steps lies.
LARGEST = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a tuning needs at its peak, and how long it takes.

    ``parts`` divide ``peak_bytes``; ``why`` says why it does not fit, or is empty. ``is_measured`` tells whether the
    machine was measured, ``checkpointing`` whether the forward pass is computed twice to save memory, and
    ``on_gpu`` whether the memory is that of a GPU.
    """

    peak_bytes: int
    seconds: float
    steps: int
    parts: dict[str, int]
    checkpointing: bool
    is_measured: bool
    available_bytes: int
    why: str = ""
    on_gpu: bool = False

    @property
    def ram_bytes(self) -> int:
        """Of the machine's own memory: all of it, or where a GPU computes, what the process takes and loads."""
        return self.parts["process"] + self.parts["weights"] if self.on_gpu else self.peak_bytes

    @property
    def fits(self) -> bool:
        return not self.why

    def fits_in(self, most: int) -> bool:
        """Whether it fits now, or could where ``most`` bytes are free."""
        return self.fits or self.peak_bytes <= most

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
        available_bytes = usable_bytes()
    known = costs or _assumed_costs(options, facts)
    plain = _parts(options, statistics, facts, known, checkpointing=False)
    checkpointing = options.checkpointing is True
    parts = plain
    if checkpointing or (options.checkpointing == "auto" and sum(plain.values()) > available_bytes):
        parts, checkpointing = _parts(options, statistics, facts, known, checkpointing=True), True
    peak = sum(parts.values())
    steps, seconds = _time(options, statistics, facts, known, checkpointing)
    return Estimate(
        peak_bytes=peak,
        seconds=seconds,
        steps=steps,
        parts=parts,
        checkpointing=checkpointing,
        is_measured=costs is not None,
        available_bytes=available_bytes,
        why=_why(options, parts, available_bytes) if peak > available_bytes else "",
        on_gpu=computes_on_gpu(),
    )


def usable_bytes(processes: int = 1) -> int:
    """Memory that is free now for each of ``processes``: of the GPU that has most, for each has one of its own, or of
    this machine, within what all models together may take."""
    if computes_on_gpu() and (loads := gpu_loads()):
        return int(max(load.total_bytes - load.used_bytes for load in loads) * USABLE)
    return int(min(psutil.virtual_memory().available * USABLE, work_limit_bytes())) // processes


def most_bytes() -> int:
    """The same when nothing else holds any: what does not fit into that never will."""
    if computes_on_gpu() and (loads := gpu_loads()):
        return int(max(load.total_bytes for load in loads) * USABLE)
    return int(min(ram_bytes() * USABLE, work_limit_bytes()))


def together(options: TuningOptions, statistics: DataStatistics) -> int:
    """Tokens of the largest pass: a full pack, or the longest row; of pairs both rows."""
    rows_together = 2 if options.method == "dpo" else 1
    longest = min(statistics.longest, options.max_tokens) * rows_together
    if not options.packing:
        return longest
    in_step = options.in_step * rows_together
    mean, deviation = _mean_and_deviation(statistics)
    largest_step = math.ceil(mean * in_step + LARGEST * deviation * math.sqrt(in_step))
    return max(longest, min(options.pack_tokens, largest_step, statistics.tokens))


def _mean_and_deviation(statistics: DataStatistics) -> tuple[float, float]:
    """Of the lengths of rows, in tokens; each row as long as the middle of its bin."""
    rows = max(statistics.rows, 1)
    mean = statistics.tokens / rows
    middles = [(min(edge, statistics.longest) * 0.85, count) for edge, count in statistics.lengths]
    return mean, math.sqrt(sum(count * (middle - mean) ** 2 for middle, count in middles) / rows)


def _number_bytes(options: TuningOptions, facts: ModelFacts) -> int:
    return 2 if computes_in(options, stored=facts.dtype) == "bfloat16" else 4


def _fills_up(options: TuningOptions, facts: ModelFacts) -> bool:
    return _number_bytes(options, facts) == 2 and not computes_on_gpu()


def _parts(
    options: TuningOptions, statistics: DataStatistics, facts: ModelFacts, costs: Costs, *, checkpointing: bool
) -> dict[str, int]:
    number_bytes, tokens = _number_bytes(options, facts), together(options, statistics)
    if _fills_up(options, facts):
        tokens = filled_up(tokens)
    weights = facts.parameters * number_bytes
    if options.method == "qlora":
        weights = int(facts.linear_parameters * NF4_BYTES) + (facts.parameters - facts.linear_parameters) * number_bytes
    a_layer = (costs.kept_bytes + (_dropped(facts, number_bytes) if options.dropout else 0)) * tokens
    kept, holes = a_layer * facts.layers, 0
    if checkpointing:
        # What layers free and do not use again is part of what all of them would have kept.
        holes = min(MOST_HOLES_BYTES, kept)
        kept = a_layer + facts.width * number_bytes * tokens * facts.layers
    activations = int(kept * AROUND_KEPT[number_bytes] + KERNEL_BYTES + WEIGHTS_LAID_OUT * weights) + holes
    values = facts.linear_ends * options.rank
    learnt = min(tokens, LOSS_CHUNK_TOKENS)
    return {
        "process": costs.process_bytes,
        "weights": weights,
        "adapters": max(ADAPTER_BYTES * values, ADAPTER_STEP_BYTES * values - activations),
        "activations": activations,
        "logits": learnt * facts.vocabulary * (8 + number_bytes) + 2 * tokens * facts.width * number_bytes,
    }


def _dropped(facts: ModelFacts, number_bytes: int) -> int:
    """Bytes that a layer keeps of one token to know what of its adapters' inputs was left out."""
    return number_bytes * (6 * facts.width + facts.feed_forward)


def _assumed_kept(facts: ModelFacts, number_bytes: int) -> int:
    """Bytes that a layer keeps of one token: inputs of its products, norms and gates."""
    return number_bytes * (8 * facts.width + 5 * facts.feed_forward)


def _time(
    options: TuningOptions, statistics: DataStatistics, facts: ModelFacts, costs: Costs, checkpointing: bool
) -> tuple[int, float]:
    examples = statistics.examples(options.method)
    steps = step_count(examples, options.in_step, options.epochs)
    passes = examples * options.epochs
    if options.packing:
        in_pack = max(1, int(options.pack_tokens * max(examples, 1) / max(statistics.tokens, 1)))
        passes = steps * math.ceil(options.in_step / in_pack)
    tokens = statistics.tokens * options.epochs
    if _fills_up(options, facts):
        # Half of what a pass can be filled up with.
        tokens += passes * fill_step(math.ceil(tokens / max(passes, 1))) / 2
    tokens_s = costs.layer_s * tokens * facts.layers + costs.head_s * statistics.learnt_tokens * options.epochs
    learning_s = IN_A_JOB * tokens_s + costs.pass_layer_s * passes * facts.layers
    steps_s = steps * (costs.step_layer_s * facts.layers + AROUND_STEP_S)
    again = SECOND_FORWARD - 1 if checkpointing else 0.0
    if options.method == "dpo":
        # What the model said before is computed once of each pair.
        again += FORWARD / max(options.epochs, 1.0)
    evaluations_s = _evaluations(options, steps, learning_s / max(options.epochs, 1e-9), statistics, costs, facts)
    return steps, costs.start_s + AROUND_S + learning_s * (1 + again) + steps_s + evaluations_s


def _assumed_costs(options: TuningOptions, facts: ModelFacts) -> Costs:
    """Of a machine that was not measured, by what its processors usually compute."""
    number_bytes = _number_bytes(options, facts)
    precision, on_gpu = "bfloat16" if number_bytes == 2 else "float32", computes_on_gpu()
    speed = ASSUMED_GPU_FLOPS[precision] if on_gpu else ASSUMED_FLOPS[precision] * available_cpus()
    # A product forwards, and one backwards for what lies before; weights that are frozen want no gradient.
    return Costs(
        layer_s=4.0 * facts.linear_parameters / facts.layers / speed,
        pass_layer_s=ASSUMED_GPU_PASS_S if on_gpu else 0.0,
        head_s=4.0 * facts.vocabulary * facts.width / speed,
        step_layer_s=0.0,
        answer_layer_s=ANSWER_S_PER_LAYER,
        answer_s=0.0,
        kept_bytes=_assumed_kept(facts, number_bytes),
        start_s=START_S,
        process_bytes=PROCESS_BYTES,
    )


def _evaluations(
    options: TuningOptions, steps: int, epoch_s: float, statistics: DataStatistics, costs: Costs, facts: ModelFacts
) -> float:
    """Seconds of all evaluations: of rows that are kept aside the way forwards, and answers to look at.

    How long a file of rows is that is named to measure on is not known here.
    """
    split = options.data.split
    has_rows = bool(split.share or split.path)
    if not has_rows and not options.fixed_prompts:
        return 0.0
    every = evaluate_every(options.evaluate_every, steps)
    count = 1 + math.ceil(steps / every)
    rows = statistics.rows * split.share / (1 - split.share) if split.path is None else 0.0
    rows_s = min(rows, split.max_rows) / max(statistics.rows, 1) * epoch_s * FORWARD
    answers_s = options.sample_tokens * (costs.answer_layer_s * facts.layers + costs.answer_s)
    return count * (rows_s + answers_s)


def _why(options: TuningOptions, parts: dict[str, int], available_bytes: int) -> str:
    needed, free = sum(parts.values()) / 1e9, available_bytes / 1e9
    largest = max(parts, key=lambda name: parts[name])
    ways = {
        "weights": "tune a smaller model"
        if options.method == "qlora"
        else "tune a smaller model, or take the method 'qlora'",
        "activations": "lower pack_tokens and max_tokens"
        if options.checkpointing
        else "lower pack_tokens and max_tokens, or allow checkpointing",
        "logits": "lower pack_tokens and max_tokens",
        "adapters": "lower rank",
        "process": "unload other models",
    }
    return f"needs about {needed:.1f} GB, most of it for {largest}, and {free:.1f} GB are free; {ways[largest]}"
