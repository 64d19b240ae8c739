"""Calls made by several callers in parallel, timed: one piece of code for us and for a peer in another environment."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass

Range = tuple[float, float]
Rates = dict[str, dict[str, float]]

AT_ONCE: Range = (0.0, 0.0)
# Different for each call: callers in step would ask in bursts, and each would wait for the others of its burst.
A_WHILE: Range = (0.025, 0.075)
CROWD = 100


@dataclass
class _Model:
    """What the model behind one call is to take, and took, in seconds. None: it is there before anybody else's turn."""

    takes_s: float | None = 0.0
    took_s: float = 0.0


_model: ContextVar[_Model] = ContextVar("model")


async def work() -> None:
    """What a model does before it answers, ours and the peer's alike. Unless it is to take no time at all, it lets
    other calls go on meanwhile, so that as many are in flight as there are callers."""
    model = _model.get()
    if model.takes_s is None:
        return
    began = time.perf_counter()
    await asyncio.sleep(model.takes_s)
    model.took_s = time.perf_counter() - began


Call = Callable[[], Awaitable[object]]


async def measure_all(call: Call, requests: int) -> Rates:
    """Latency and requests per second with one caller and with a hundred, ``requests`` calls each.

    The rate is that of callers who ask again at once a model that answers at once. With a hundred of them, how long a
    call takes would only be that rate once more, since each waits for the work of the 99 others; so latency is taken
    with a hundred calls in flight to models that take a while. And with a model that answers within the call, where
    nothing of ours makes one call wait for another.
    """
    alone = await measure(call, 1, requests)
    rate = await measure(call, CROWD, requests)
    latency = await measure(call, CROWD, requests, takes_s=A_WHILE)
    within = await measure(call, CROWD, requests, takes_s=None)
    crowd = {**latency, "requests_per_s": rate["requests_per_s"]}
    crowd |= {f"instant_{name}": within[name] for name in ("p50_ms", "p99_ms")}
    return {"1": alone, str(CROWD): crowd}


async def measure(call: Call, callers: int, requests: int, *, takes_s: Range | None = AT_ONCE) -> dict[str, float]:
    """Percentiles in ms of what ``requests`` calls by ``callers`` in parallel took beyond their models, and calls per
    second."""
    chance = random.Random(callers)
    latencies: list[float] = []
    left = iter(range(requests))

    async def one(model: _Model) -> float:
        _model.set(model)
        began = time.perf_counter()
        await call()
        return time.perf_counter() - began - model.took_s

    async def caller() -> None:
        await asyncio.sleep(chance.uniform(0, takes_s[1]) if takes_s else 0)
        for _ in left:
            latencies.append(await one(_Model(chance.uniform(*takes_s) if takes_s else None)))
            await asyncio.sleep(0)

    for _ in range(50):
        await one(_Model())
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds = time.perf_counter() - began
    latencies.sort()
    return {
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
        "requests_per_s": requests / seconds,
    }
