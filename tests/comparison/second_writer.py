"""Another workbench on the same database: it opens a run that is being written, and asks something in it itself.

Usage: python -m tests.comparison.second_writer DATABASE_URL RUN_ID
"""

from __future__ import annotations

import asyncio
import sys

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.scripted_source import ScriptedSource


async def main(url: str, run_id: str) -> None:
    store, source = Store(url), ScriptedSource()
    registry = ComparisonRegistry(RunRegistry(store, save_interval_s=0.02), source, lambda target: None)
    comparison = await registry.get(run_id)
    await comparison.send("asked by the other", ["a"])
    await (await source.call(0)).answer("their answer")
    await comparison.wait()
    await registry.runs.aclose()
    store.close()
    print(comparison.id, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
