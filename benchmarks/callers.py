"""Calls made by several callers in parallel, timed: one piece of code for us and for a peer in another environment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def measure(call: Callable[[], Awaitable[object]], callers: int, requests: int) -> dict[str, float]:
    """Latency percentiles in ms and requests per second of ``requests`` calls made by ``callers`` in parallel."""
    for _ in range(50):
        await call()
    latencies: list[float] = []
    left = iter(range(requests))

    async def caller() -> None:
        for _ in left:
            began = time.perf_counter()
            await call()
            latencies.append(time.perf_counter() - began)
            await asyncio.sleep(0)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - began
    latencies.sort()
    return {
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "requests_per_s": requests / seconds,
    }
