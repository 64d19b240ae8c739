"""A peer for the plan benchmark, in its own environment: LangGraph runs the same steps with the same durations.

Run by ``benchmarks.plans`` as a script; reads a job as JSON from standard input, writes seconds to standard output.
It imports nothing of ours, for it lives in an environment where only LangGraph is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from operator import add
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph


class State(TypedDict):
    done: Annotated[list[str], add]


def compiled(steps: list[dict[str, Any]]) -> Any:
    graph = StateGraph(State)
    needed = {name for step in steps for name in step["rely"]}
    for step in steps:
        graph.add_node(step["id"], _node(step["id"], step["seconds"]))
        if step["rely"]:
            graph.add_edge(step["rely"] if len(step["rely"]) > 1 else step["rely"][0], step["id"])
        else:
            graph.add_edge(START, step["id"])
        if step["id"] not in needed:
            graph.add_edge(step["id"], END)
    return graph.compile()


def _node(step_id: str, seconds: float) -> Any:
    async def run(state: State) -> dict[str, list[str]]:
        if seconds:
            await asyncio.sleep(seconds)
        return {"done": [step_id]}

    return run


async def main() -> None:
    found = []
    for job in json.load(sys.stdin):
        graph = compiled(job["steps"])
        began = time.perf_counter()
        state = await graph.ainvoke({"done": []}, {"recursion_limit": 100_000, "max_concurrency": job["workers"]})
        found.append(time.perf_counter() - began)
        assert len(state["done"]) == len(job["steps"]), "not every step ran"
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
