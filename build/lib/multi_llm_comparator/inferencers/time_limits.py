"""Limits on what a model's files may make Python do: processor time and memory, for model processes.

A template, a regular expression of a tokenizer: each can keep one operation busy for ever, which nothing inside Python
interrupts. In a model process the kernel ends it then, with a signal of its own for each kind of work, so that the app
knows what it was. Before that, what is ended between two operations of Python ends as an exception, and what wants too
much memory gets none. Elsewhere, in a script that has loaded a model in its own process, and on Windows, there is no
limit.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


class LimitReached(Exception):
    """The work took more time or memory than it may, and was ended."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``seconds`` of processor time for one piece of ``work``, after which the process is ended; ``timer`` and
    ``signal`` are names in :mod:`signal`. After ``soft_seconds`` it is asked to end first, and it may take
    ``memory_bytes`` at most; 0 for neither.
    """

    work: str
    seconds: float
    timer: str
    signal: str
    soft_seconds: float = 0.0
    memory_bytes: int = 0


# Those of real models take milliseconds, and a few times the prompt's size.
TEMPLATE = Limit("chat template", 10.0, "ITIMER_VIRTUAL", "SIGVTALRM", soft_seconds=5.0, memory_bytes=256 * 2**20)
# A long prompt of some megabytes takes a few seconds.
TOKENIZER = Limit("tokenizer", 60.0, "ITIMER_PROF", "SIGPROF")
_is_on = False


def switch_on() -> None:
    """This is a process that may be ended; called once, in its main thread."""
    global _is_on
    _is_on = hasattr(signal, "setitimer")


@contextmanager
def limited(limit: Limit) -> Iterator[None]:
    """End this process if the block takes too long.

    Raises:
        LimitReached: it took more than ``soft_seconds`` or ``memory_bytes``.
    """
    if not _is_on:
        yield
        return
    timer = getattr(signal, limit.timer)
    signal.setitimer(timer, limit.seconds)
    try:
        with _asked_to_end(limit.soft_seconds), _memory(limit.memory_bytes):
            yield
    finally:
        signal.setitimer(timer, 0.0)


@contextmanager
def _asked_to_end(seconds: float) -> Iterator[None]:
    """Raise once this thread has computed for so long, at the next operation of Python's."""
    if not seconds:
        yield
        return
    ends_at = time.thread_time() + seconds
    over = LimitReached(f"it runs for more than {seconds:g} s")
    is_over = False

    def look(*_: object) -> None:
        nonlocal is_over
        # A busy machine is not the work's fault: what counts is what it computed.
        if (left := ends_at - time.thread_time()) > 0:
            signal.setitimer(signal.ITIMER_REAL, left)
        else:
            is_over = True
            raise over

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except Exception as exc:
        # What is interrupted anywhere may stumble over that before it ends.
        if is_over and exc is not over:
            raise over from exc
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _memory(more_bytes: int) -> Iterator[None]:
    """Let this process have so much more memory than it has, where the system (Linux) keeps to that."""
    held = _address_space_bytes() if more_bytes else None
    if held is None:
        yield
        return
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(ValueError):  # less is allowed already
        resource.setrlimit(resource.RLIMIT_AS, (held + more_bytes, most))
    try:
        yield
    except MemoryError as exc:
        _refuse_memory(more_bytes, exc)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, most))


def _refuse_memory(more_bytes: int, cause: MemoryError) -> NoReturn:
    raise LimitReached(f"it takes more than {more_bytes / 2**20:.0f} MiB of memory") from cause


def _address_space_bytes() -> int | None:
    """What RLIMIT_AS counts; None where that is not known."""
    try:
        import resource

        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
        return int(pages) * resource.getpagesize()
    except (OSError, ImportError):
        return None


def limit_behind(exit_code: int | None) -> Limit | None:
    """Which limit ended a process that ended with this code (``-signal``), if one did."""
    for limit in (TEMPLATE, TOKENIZER):
        number = getattr(signal, limit.signal, None)
        if number is not None and exit_code == -number:
            return limit
    return None
