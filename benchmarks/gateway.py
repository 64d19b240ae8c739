"""What the gateway adds to a call, beside LiteLLM's Router with the same responder in the same run.

    python -m benchmarks.gateway                 # also makes .venv-bench for the peer, on first use

Added latency (median and 99th percentile) with about 1 and 100 calls in flight, and requests per second of 1 and 100
callers, as many requests for both and in turns so that a noisy machine is noisy to both; then 1,000 streams open at
once over HTTP through the gateway. Figures go to benchmarks/results/gateway.json.

Latency is what a caller waited beyond what the responder took and beyond what the same arrivals wait with nothing
between (timers wake up late), in an open loop: 100 requests a second arrive at random
times, a rate that both sustain, for a responder that answers at once or takes 0.5 to 1.5 s. The rate is that of callers
who ask a responder that answers at once again and again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from benchmarks.callers import Rates, measure_all, work
from benchmarks.peer_environment import peer_python
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.groups import Gateway, TaskGroupManager

ROOT = Path(__file__).parents[1]
ROUNDS = 3

Round = tuple[Rates, Rates]

# Everything that a request passes is on: limits of two levels, a pool, breakers, statistics, metrics.
CONFIG: dict[str, Any] = {
    "task_groups": {
        "g": {
            "e": {
                "models": ["a", "b"],
                "concurrency_limit": 10_000,
                "rpm_limit": 100_000_000,
                "tpm_limit": 900_000_000,
            },
            "concurrency_limit": 10_000,
        }
    },
    "polling_pools": {"p": {"task_groups": ["g"]}},
}


class Given:
    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    def load(self, name: str) -> dict[str, Any]:
        return self._data


class Responder:
    """A model in process that takes as long as the caller says."""

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        await work()
        yield Started(request_id=request.id, prompt_tokens=3)
        yield TextDelta(request_id=request.id, text="hello", tokens=1)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=1)


async def ours(requests: int) -> Rates:
    """The gateway's figures."""
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(TaskGroupManager(Given(CONFIG)), Responder(), folder=Path(folder))

        async def call() -> None:
            request = GenerationRequest(messages=(Message("user", "hello"),))
            last = None
            async for event in gateway.stream("g.e", request):
                last = event
            if not isinstance(last, Finished):
                raise RuntimeError(f"a request failed: {last!r}")

        figures = await measure_all(call, requests)
        await gateway.aclose()
        return figures


async def over_http(streams: int) -> dict[str, Any]:
    """``streams`` answers of 20 words, one each 0.25 s, open at once through the gateway."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.scripted_openai_server",
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    assert server.stdout is not None
    url = (await server.stdout.readline()).decode().strip()
    config = {
        "gateway": {"first_token_timeout_s": 120, "total_timeout_s": 600},
        "models": {"m": {"base_url": url, "connect_timeout_s": 60}},
        "task_groups": {"g": {"e": {"models": ["m"], "max_retries": 0, "concurrency_limit": 2 * streams}}},
    }
    open_now = most_open = whole = lost = 0
    with tempfile.TemporaryDirectory() as folder:
        gateway = Gateway(TaskGroupManager(Given(config)), Responder(), folder=Path(folder))

        async def one() -> None:
            nonlocal open_now, most_open, whole, lost
            text, last = "", None
            async for event in gateway.stream("g", GenerationRequest(messages=(Message("user", "hello"),))):
                last = event
                if isinstance(event, TextDelta):
                    if not text:
                        open_now += 1
                        most_open = max(most_open, open_now)
                    text += event.text
            open_now -= 1
            if isinstance(last, Finished) and text.split() == ["word"] * 20:
                whole += 1
            else:
                lost += 1

        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(streams)))
        seconds = time.perf_counter() - began
        await gateway.aclose()
    server.terminate()
    await server.wait()
    return {"streams": streams, "open_at_once": most_open, "whole": whole, "lost": lost, "seconds": seconds}


def peer(requests: int) -> Rates:
    # Left alone, the peer asks the internet for prices at each start, and waits for the answer.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(peer_python()), "-m", "benchmarks.litellm_router", str(requests)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, env=environment)
    figures: Rates = json.loads(done.stdout.splitlines()[-1])
    return figures


def latency_figure(callers: str, name: str, wanted_ms: float, rounds: list[Round]) -> Figure:
    """A latency of ours, the median of the rounds, with the peer's beside it."""
    ours_ms = [own[callers][name] for own, _ in rounds]
    peer_ms = [other[callers][name] for _, other in rounds]
    flight = "about 1 call" if callers == "1" else f"about {callers} calls"
    return Figure(
        id=f"gateway-{name.removesuffix('_ms')}-{callers}",
        name=f"added latency, {name.removesuffix('_ms')}, 100 requests/s, {flight} in flight, beside LiteLLM's router",
        value=statistics.median(ours_ms),
        wanted=wanted_ms,
        sense="at most",
        value_unit="ms",
        ours=statistics.median(ours_ms),
        peer=statistics.median(peer_ms),
        unit="ms",
        rounds=[ours_ms, peer_ms],
    )


def figures_of(rounds: list[Round], http: dict[str, Any]) -> list[Figure]:
    figures = []
    for callers in ("1", "100"):
        figures.append(latency_figure(callers, "p50_ms", 0.5, rounds))
        figures.append(latency_figure(callers, "p99_ms", 2.0, rounds))
        pairs = [(own[callers]["requests_per_s"], other[callers]["requests_per_s"]) for own, other in rounds]
        title = f"requests per second, callers: {callers}, beside LiteLLM's router"
        figures.append(ratio_figure(f"gateway-rate-{callers}", title, pairs, unit="requests/s", wanted=5.0))
    for key, title, wanted, sense in (
        ("open_at_once", "streams open at once over HTTP", http["streams"], "at least"),
        ("lost", "streams lost over HTTP", 0, "at most"),
    ):
        figures.append(
            Figure(
                id=f"gateway-http-{key.replace('_', '-')}",
                name=title,
                value=http[key],
                wanted=wanted,
                sense="at least" if sense == "at least" else "at most",
                value_unit="streams",
                rounds=[[http["seconds"]]],
            )
        )
    return figures


def one_round(number: int, requests: int) -> Round:
    """Both sides, in turns going first."""
    if number % 2:
        own = asyncio.run(ours(requests))
        return own, peer(requests)
    other = peer(requests)
    return asyncio.run(ours(requests)), other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--streams", type=int, default=1000)
    options = parser.parse_args()
    rounds = [one_round(number, options.requests) for number in range(ROUNDS)]
    figures = figures_of(rounds, asyncio.run(over_http(options.streams)))
    path = save("gateway", figures)
    for row in table(figures):
        sys.stdout.write(" | ".join(row) + "\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
