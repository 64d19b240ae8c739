"""Limits on the processor time of what a model's files make Python do, for model processes.

A template, a regular expression of a tokenizer: each can keep one operation busy for ever, which nothing inside Python
interrupts. In a model process the kernel ends it then, with a signal of its own for each kind of work, so that the app
knows what it was. Elsewhere, in a script that has loaded a model in its own process, and on Windows, there is no limit.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """``seconds`` of processor time for one piece of ``work``; ``timer`` and ``signal`` are names in :mod:`signal`."""

    work: str
    seconds: float
    timer: str
    signal: str


# The template's own budget is half of it and says more; this is for what that cannot count.
TEMPLATE = Limit("chat template", 10.0, "ITIMER_VIRTUAL", "SIGVTALRM")
# A long prompt of some megabytes takes a few seconds.
TOKENIZER = Limit("tokenizer", 60.0, "ITIMER_PROF", "SIGPROF")
_is_on = False


def switch_on() -> None:
    """This is a process that may be ended; called once, in its main thread."""
    global _is_on
    _is_on = hasattr(signal, "setitimer")


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """End this process if the block takes longer."""
    if not _is_on:
        yield
        return
    timer = getattr(signal, limit.timer)
    signal.setitimer(timer, limit.seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0.0)


def limit_behind(exit_code: int | None) -> Limit | None:
    """Which limit ended a process that ended with this code (``-signal``), if one did."""
    for limit in (TEMPLATE, TOKENIZER):
        number = getattr(signal, limit.signal, None)
        if number is not None and exit_code == -number:
            return limit
    return None
