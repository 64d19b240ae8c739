"""Which rows make a step, and which of them are computed together.

A step's rows are packed into as few runs of tokens as fit, by trl's best fit decreasing. Packs never reach over the
border of a step: so packing changes how fast a step is computed, and not what is learnt in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Pack = tuple[int, ...]
# Steps are packed in slices of so many examples, so that the tables stay small.
SLICE_EXAMPLES = 20_000


@dataclass(frozen=True, slots=True)
class TrainingStep:
    """The examples of one optimizer step, by number, as the packs that are computed one after another."""

    packs: tuple[Pack, ...]

    @property
    def examples(self) -> tuple[int, ...]:
        return tuple(number for pack in self.packs for number in pack)


def planned_steps(
    lengths: Sequence[int], *, epochs: float, in_step: int, max_tokens: int, seed: int
) -> list[TrainingStep]:
    """All steps of a tuning, in order.

    Args:
        lengths: tokens of each example.
        epochs: how often each example is seen; of a broken epoch the first examples of its order are.
        in_step: examples in a step; the last one of an epoch may have fewer.
        max_tokens: of a pack, unless one example alone is longer. 0: each example is a pack.
        seed: of the order, which differs from epoch to epoch.
    """
    steps: list[TrainingStep] = []
    for epoch, share in enumerate(_shares(epochs)):
        order = np.random.default_rng((seed, epoch)).permutation(len(lengths))
        order = order[: max(1, math.ceil(len(lengths) * share))]
        slice_size = max(1, SLICE_EXAMPLES // in_step) * in_step
        for begin in range(0, len(order), slice_size):
            chosen = [int(number) for number in order[begin : begin + slice_size]]
            steps += _packed(chosen, lengths, in_step, max_tokens) if max_tokens else _alone(chosen, in_step)
    return steps


def packs_of(lengths: Sequence[int], max_tokens: int) -> list[Pack]:
    """All examples packed, where there are no steps: for measuring. 0: each is a pack."""
    numbers = list(range(len(lengths)))
    if not numbers or not max_tokens:
        return [(number,) for number in numbers]
    return [pack for step in _packed(numbers, lengths, len(numbers), max_tokens) for pack in step.packs]


def _shares(epochs: float) -> list[float]:
    whole = int(epochs)
    rest = epochs - whole
    return [1.0] * whole + ([rest] if rest > 1e-9 else [])


def _alone(chosen: Sequence[int], in_step: int) -> list[TrainingStep]:
    return [
        TrainingStep(tuple((number,) for number in chosen[begin : begin + in_step]))
        for begin in range(0, len(chosen), in_step)
    ]


def _packed(chosen: Sequence[int], lengths: Sequence[int], in_step: int, max_tokens: int) -> list[TrainingStep]:
    """``chosen`` cut into steps, each packed for itself: the batches of one table are packed apart from each other."""
    from datasets import Dataset
    from trl import pack_dataset

    # trl packs columns of lists; each example is its place among the chosen, repeated. What is longer than a pack
    # stands for itself: trl would cut it.
    places = [[place] * min(lengths[number], max_tokens) for place, number in enumerate(chosen)]
    table = pack_dataset(
        Dataset.from_dict({"place": places}),
        max_tokens,
        "bfd",
        map_kwargs={"batch_size": in_step, "keep_in_memory": True, "load_from_cache_file": False},
    )
    steps: list[list[Pack]] = [[] for _ in range(math.ceil(len(chosen) / in_step))]
    for row in table.with_format("numpy"):
        found = [int(place) for place in dict.fromkeys(row["place"].tolist())]
        steps[found[0] // in_step].append(tuple(chosen[place] for place in found))
    return [TrainingStep(tuple(packs)) for packs in steps]
