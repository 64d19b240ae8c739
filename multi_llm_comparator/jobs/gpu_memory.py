"""What of the GPUs' memory stays taken after a job that computed on one, as the driver tells it for whole devices.

A process may be gone while its memory is not: the driver still clears it away, or something that shares it lives on
elsewhere (in a container, under another user). No list of a job's processes shows that.
"""

from __future__ import annotations

import time

from multi_llm_comparator.services.devices import gpu_bytes_of_nobody

# What a driver itself takes and gives back as it likes.
LEAST_BYTES = 512 * 2**20
# Memory of a process that ended is free within a moment.
CLEARED_WITHIN_S = 5.0


class GpuMemory:
    """How much memory of the GPUs no process holds; :meth:`stranded` compares. Asks the driver.

    Args:
        before: what it was when the job began, if that is known; None: what it is now.
    """

    def __init__(self, before: int | None = None) -> None:
        self.before = gpu_bytes_of_nobody() if before is None else before

    def stranded(self) -> str:
        """A sentence where nobody holds much more than before, else nothing. May wait for the driver to clear up."""
        until = time.monotonic() + CLEARED_WITHIN_S
        while (more := self._more()) > LEAST_BYTES and time.monotonic() < until:
            time.sleep(0.5)
        if more <= LEAST_BYTES:
            return ""
        return (
            f"{more / 1e9:.1f} GB of GPU memory were free before the job and are not since, though no process of it is "
            "left; 'nvidia-smi' tells who uses them"
        )

    def _more(self) -> int:
        now = gpu_bytes_of_nobody()
        return 0 if self.before is None or now is None else now - self.before
