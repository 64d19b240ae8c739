"""Which rows are kept aside to measure with, so that none of them is learnt in other words."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from multi_llm_comparator.training.data.spec import SplitSpec


def validation_lines(groups: Sequence[int], spec: SplitSpec) -> frozenset[int]:
    """The lines, counted from 0, that are kept aside.

    Args:
        groups: for each line the group that it belongs to; a group stays on one side.
        spec: how much, and the seed. As much as asked for at most, and never everything; small data sets give one
            group at least if they are asked for any.
    """
    wanted = min(spec.max_rows, round(spec.share * len(groups))) if spec.share else 0
    if spec.share and not wanted and len(groups) > 1:
        wanted = 1
    sizes = Counter(groups)
    order = sorted(sizes)
    random.Random(spec.seed).shuffle(order)
    chosen: set[int] = set()
    for group in order:
        # A group that is too large for what is left is passed over, smaller ones may fit.
        if sizes[group] <= wanted and len(chosen) < len(sizes) - 1:
            chosen.add(group)
            wanted -= sizes[group]
        if not wanted:
            break
    return frozenset(line for line, group in enumerate(groups) if group in chosen)
