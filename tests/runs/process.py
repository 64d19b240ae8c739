"""Another process on the same database: it brings a run half way, says its own number and the run's id, and finishes
the run when it is told to.

Usage: python -m tests.runs.process DATABASE_URL KIND
"""

from __future__ import annotations

import asyncio
import os
import sys

from multi_llm_comparator.tracking.store import Store
from tests.runs.kinds import KINDS


async def main(url: str, kind: str) -> None:
    store = Store(url)
    life = KINDS[kind](store)
    run = await life.half()
    print(os.getpid(), run.id, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await life.end(run)
    await life.runs.aclose()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
