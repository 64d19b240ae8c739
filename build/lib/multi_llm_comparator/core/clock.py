"""One clock for all processes of a workbench.

Events are time-stamped in the process where they happen and compared in another. The monotonic clock is shared by all
processes of a machine and never jumps; adding one offset, handed from the app to its children, turns it into the time
of day without losing that.
"""

from __future__ import annotations

import os
import time

OFFSET_VARIABLE = "MLC_CLOCK_OFFSET"

_offset = float(os.environ.get(OFFSET_VARIABLE) or time.time() - time.monotonic())


def now() -> float:
    """Seconds since the epoch, never going backwards, comparable between the app and its model processes."""
    return time.monotonic() + _offset


def child_environment() -> dict[str, str]:
    """The environment variable that makes a child's :func:`now` agree with ours."""
    return {OFFSET_VARIABLE: repr(_offset)}
