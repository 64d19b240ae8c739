"""Another app on the same home: it starts jobs that count, says their ids, and follows them until it is killed.

Usage: python -m tests.jobs.app FOLDER NUMBER_OF_JOBS
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.jobs.conftest import opened, trial, until

STEPS = 20


def gate_of(folder: Path) -> Path:
    """The file that lets its jobs go on."""
    return folder / "go"


async def main(folder: Path, number: int) -> None:
    async with opened(folder) as jobs:
        runs = [await jobs.start(trial(steps=STEPS, gate=str(gate_of(folder)))) for _ in range(number)]
        await until(lambda: runs[0].snapshot().samples)
        print(*(run.id for run in runs), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
