"""How a job ended: by its own word, or by what is known of a process that left none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.jobs.events import Ended
from multi_llm_comparator.jobs.process import how_it_ended
from multi_llm_comparator.jobs.snapshot import Trouble
from multi_llm_comparator.tracking.records import RunState

MAX_PRINTED_CHARS = 300


@dataclass(frozen=True, slots=True)
class Ending:
    """The state that a job is left in, why it failed, and what its notes say of it."""

    state: RunState
    error: Trouble | None = None
    note: str = ""


def ending_of(
    told: Ended | None, code: int | None, log_tail: Sequence[str], *, is_stop_asked: bool, grace_s: float
) -> Ending:
    """What became of a job whose process is gone.

    Args:
        told: its last event; None if it was ended before it could tell.
        code: the exit code of its process, ``-signal`` if it was killed; None if nobody here waited for it.
        log_tail: the last lines that it printed.
        is_stop_asked: it was told to stop, and had ``grace_s`` seconds for that.
    """
    if told is not None:
        error = Trouble(told.type, told.text) if told.outcome == "failed" else None
        return Ending(told.outcome, error, told.text if told.outcome == "interrupted" else "")
    if is_stop_asked:
        return Ending(
            "stopped", note=f"it did not end within {grace_s:.0f} s and was killed; its last checkpoint counts"
        )
    if code is not None and code > 0:
        last = next((line for line in reversed(log_tail) if line.strip()), "nothing")[:MAX_PRINTED_CHARS]
        text = f"the process of the job ended with code {code}; the last that it printed: {last}"
        return Ending("failed", Trouble("JobError", text))
    note = f"the process of the job {how_it_ended(code)}; resume it to continue from its last checkpoint"
    return Ending("interrupted", note=note)
