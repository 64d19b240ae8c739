"""A workbench that is to be killed: it asks two panes and gets half an answer from one.

When that is saved, it says its own number and the run's id.

Usage: python -m tests.comparison.interrupted_child DATABASE_URL
"""

from __future__ import annotations

import asyncio
import os
import sys

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import asked
from tests.support.scripted_source import ScriptedSource


async def main(url: str) -> None:
    store, source = Store(url), ScriptedSource()
    registry = ComparisonRegistry(RunRegistry(store, save_interval_s=0.02), source, lambda target: None)
    comparison, (a, b) = await asked(registry, source)
    await b.answer("whole")
    await a.start(seed=5)
    await a.say("half an ans")
    while not any(record.text == "half an ans" for record in store.load_items(comparison.id)):
        await asyncio.sleep(0.01)
    print(os.getpid(), comparison.id, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
