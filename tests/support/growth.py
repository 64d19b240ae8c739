"""Whether work grows as the text does, and not as its square: hostile texts are long."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMES = 16


def taken_s(work: Callable[[str], object], text: str) -> float:
    """Processor time that one call takes."""
    begun = time.process_time()
    work(text)
    return time.process_time() - begun


def grows_evenly(work: Callable[[str], object], piece: str, characters: int = 10_000) -> bool:
    """Sixteen times the text may take sixteen times as long, with much room for a busy machine; work that grows as the
    square would take 256 times as long."""
    short, long = piece * (characters // len(piece)), piece * (TIMES * characters // len(piece))
    once = min(taken_s(work, short) for _ in range(3))
    return min(taken_s(work, long) for _ in range(2)) < 100 * max(once, 0.001)
