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

CROWD = 100
# Requests per second that both sides sustain: LiteLLM's router ends at about 250 on two cores.
ARRIVALS_PER_S = 100.0
# What the model behind a call takes, in seconds, so that at this rate about so many calls are in flight.
TAKES_S: dict[int, Range] = {1: (0.0, 0.0), CROWD: (0.5, 1.5)}


@dataclass
class _Model:
    """What the model behind one call is to take, and took, in seconds."""

    takes_s: float = 0.0
    took_s: float = 0.0


_model: ContextVar[_Model] = ContextVar("model")


async def work() -> None:
    """What a model does before it answers, ours and the peer's alike; other calls go on meanwhile."""
    model = _model.get()
    began = time.perf_counter()
    await asyncio.sleep(model.takes_s)
    model.took_s = time.perf_counter() - began


Call = Callable[[], Awaitable[object]]


async def measure_all(call: Call, requests: int) -> Rates:
    """Latency and calls per second for one caller and for a hundred, ``requests`` calls each.

    Latency is taken in an open loop: calls arrive at a steady rate on average, whether earlier ones have ended or not,
    and each is timed from when it was due, so that a stall counts for every call that it delays. From its percentiles
    those of the same arrivals without anything between caller and model are taken off: timers that wake up late are
    not the gateway's. The rate is that of callers who ask again at once a model that answers at once.
    """
    found: Rates = {}
    for callers, takes_s in TAKES_S.items():
        bare = await open_loop(work, requests, takes_s)
        through = await open_loop(call, requests, takes_s)
        latency = {name: through[name] - bare[name] for name in through}
        latency |= {f"bare_{name}": bare[name] for name in bare}
        found[str(callers)] = latency | {"requests_per_s": await closed_loop(call, callers, requests)}
    return found


async def open_loop(call: Call, requests: int, takes_s: Range) -> dict[str, float]:
    """Percentiles in ms of what calls took beyond their models, arriving at :data:`ARRIVALS_PER_S` at random times."""
    chance = random.Random(requests)
    latencies: list[float] = []

    async def one(due: float, model: _Model) -> None:
        _model.set(model)
        await call()
        latencies.append(time.perf_counter() - due - model.took_s)

    await _warm_up(call)
    due = time.perf_counter()
    async with asyncio.TaskGroup() as under_way:
        for _ in range(requests):
            due += chance.expovariate(ARRIVALS_PER_S)
            await asyncio.sleep(due - time.perf_counter())
            under_way.create_task(one(due, _Model(chance.uniform(*takes_s))))
    latencies.sort()
    return {
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
    }


async def closed_loop(call: Call, callers: int, requests: int) -> float:
    """Calls per second by so many callers, each asking again as soon as it has an answer."""
    left = iter(range(requests))

    async def caller() -> None:
        _model.set(_Model())
        for _ in left:
            await call()

    await _warm_up(call)
    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return requests / (time.perf_counter() - began)


async def _warm_up(call: Call) -> None:
    _model.set(_Model())
    for _ in range(50):
        await call()
