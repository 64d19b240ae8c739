"""What the gateway adds to a call, beside LiteLLM's Router with the same responder in the same run.

    python -m benchmarks.gateway                 # also makes .venv-bench for the peer, on first use
    python -m benchmarks.gateway --without-peer

Added latency (median and 99th percentile) and requests per second at 1 and 100 callers, as many requests for both and
in turns so that a noisy machine is noisy to both; then 1,000 streams open at once over HTTP through the gateway.
Figures go to benchmarks/results/gateway.json.

The rate is that of a responder that answers at once. Latency is what a caller waited beyond what the responder took,
with 100 callers for one that takes 25 to 75 ms, so that 100 calls are in flight; it includes waiting for the work on
the other calls, which share one event loop.
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
from benchmarks.results import Figure, ratio_figure, save, table
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.groups import Gateway, TaskGroupManager

ROOT = Path(__file__).parents[1]
PEER = "litellm==1.106.2"
PEER_FOLDER = ROOT / ".venv-bench"
ROUNDS = 3

Round = tuple[Rates, Rates | None]

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


def peer_python() -> Path:
    """The Python that has the peer, in an environment of its own; it is no part of what we install."""
    python = PEER_FOLDER / "bin" / "python"
    if not (PEER_FOLDER / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER_FOLDER)], check=True)
        (PEER_FOLDER / ".gitignore").write_text("*\n")
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PEER], check=True)
        (PEER_FOLDER / "installed").touch()
    return python


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
    peer_ms = [other[callers][name] for _, other in rounds if other is not None]
    return Figure(
        id=f"gateway-{name.removesuffix('_ms')}-{callers}",
        name=f"added latency, {_words(name)}, callers: {callers}",
        value=statistics.median(ours_ms),
        wanted=wanted_ms,
        sense="at most",
        value_unit="ms",
        ours=statistics.median(ours_ms),
        peer=statistics.median(peer_ms) if peer_ms else None,
        unit="ms",
        rounds=[ours_ms, peer_ms],
    )


def _words(name: str) -> str:
    percentile = name.removesuffix("_ms").removeprefix("instant_")
    return f"{percentile}, a model that answers within the call" if name.startswith("instant_") else percentile


def figures_of(rounds: list[Round], http: dict[str, Any]) -> list[Figure]:
    figures = []
    for callers in ("1", "100"):
        figures.append(latency_figure(callers, "p50_ms", 0.5, rounds))
        figures.append(latency_figure(callers, "p99_ms", 2.0, rounds))
        if callers != "1":
            figures.append(latency_figure(callers, "instant_p50_ms", 0.5, rounds))
            figures.append(latency_figure(callers, "instant_p99_ms", 2.0, rounds))
        name = "requests_per_s"
        pairs = [(own[callers][name], other[callers][name]) for own, other in rounds if other is not None]
        if pairs:
            title = f"requests per second, callers: {callers}"
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--without-peer", action="store_true")
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--streams", type=int, default=1000)
    options = parser.parse_args()
    rounds: list[Round] = []
    for _ in range(ROUNDS):
        own = asyncio.run(ours(options.requests))
        rounds.append((own, None if options.without_peer else peer(options.requests)))
    figures = figures_of(rounds, asyncio.run(over_http(options.streams)))
    path = save("gateway", figures)
    for row in table(figures):
        sys.stdout.write(" | ".join(row) + "\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
