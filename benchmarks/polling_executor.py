"""A peer for the plan benchmark: looks every 10 ms which steps can start, as such loops are usually written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

from multi_llm_comparator.plans.plan import Step

POLLED_EVERY_S = 0.010

Work = Callable[[Step], Awaitable[None]]


async def run_polling(steps: AsyncIterable[Step], work: Work, workers: int) -> None:
    """Do ``work`` for each step after those it needs; steps are taken from their writer whenever it has one."""
    known: dict[str, Step] = {}
    tasks: dict[str, asyncio.Task[None]] = {}
    is_written = False

    async def read() -> None:
        nonlocal is_written
        async for step in steps:
            known[step.id] = step
        is_written = True

    async def solve(step: Step) -> None:
        await work(step)

    reading = asyncio.create_task(read())
    waiting: dict[str, Step] = {}
    seen = 0
    done: set[str] = set()
    running: set[str] = set()
    while not is_written or len(done) < len(known):
        for step in list(known.values())[seen:]:
            waiting[step.id] = step
        seen = len(known)
        finished = {step_id for step_id in running if tasks[step_id].done()}
        running -= finished
        done |= finished
        for step in list(waiting.values()):
            if len(running) < workers and all(needed in done for needed in step.rely):
                del waiting[step.id]
                running.add(step.id)
                tasks[step.id] = asyncio.create_task(solve(step))
        await asyncio.sleep(POLLED_EVERY_S)
    await reading
