"""Many requests at once against models that take as long as they say: what the API adds to what they allow.

    python -m benchmarks.stress            50 and 1,000 requests, written to benchmarks/results/stress.json (a minute)

Behind the API are three scripted models, each with a latency and as many places as its throughput needs (places =
latency times requests a second): simple questions 1.2 s and 45 a second, hard ones 3.5 s and 15, documents 5.2 s and 8.
A quarter each of the requests are simple questions, hard ones, documents and translations (as simple questions). All
come at the same moment over HTTP. What the models allow is the time of the one that needs longest: its requests, by its
places, in rounds of its latency.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.child import Child
from benchmarks.http_load import RequestLost, ask, percentile
from benchmarks.results import Figure, save, table
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.garbage import pass_over_what_is_loaded
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.server.api.application import make_api
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager

CROWDS = (50, 1000)
WANTED_SHARE = 0.95


@dataclass(frozen=True)
class Scripted:
    """A model that answers after ``latency_s``, and ``per_second`` requests a second at most."""

    latency_s: float
    per_second: float

    @property
    def places(self) -> int:
        return round(self.latency_s * self.per_second)

    def needs_s(self, requests: int) -> float:
        """The least time in which it can answer so many."""
        return math.ceil(requests / self.places) * self.latency_s


MODELS = {"simple": Scripted(1.2, 45), "hard": Scripted(3.5, 15), "documents": Scripted(5.2, 8)}
ASKED = ("simple", "hard", "documents", "simple")
CONFIG: dict[str, Any] = {
    "gateway": {"queue_size": 2000, "total_timeout_s": 600, "first_token_timeout_s": 300},
    "task_groups": {
        name: {"e": {"models": [f"{name}-model"], "concurrency_limit": model.places, "max_retries": 0}}
        for name, model in MODELS.items()
    },
}


class Source:
    """Answers for the models after their latencies."""

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        yield Started(request_id=request.id, prompt_tokens=3)
        await asyncio.sleep(MODELS[target.removesuffix("-model")].latency_s)
        yield TextDelta(request_id=request.id, text="done", tokens=1)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=1)


class Given:
    def load(self, name: str) -> dict[str, Any]:
        return CONFIG


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[str]:
    """The API over the scripted models; its address."""
    models = ModelManager(folder)
    engine = InferenceEngine(models=models)
    gateway = Gateway(TaskGroupManager(Given()), Source(), folder=folder)
    loop = asyncio.get_running_loop()
    api = make_api(lambda: Served(models=models, engine=engine, gateway=gateway, loop=loop), most_at_once=2000)
    models.scan_models()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as held:
        server = uvicorn.Server(uvicorn.Config(api, log_level="warning", access_log=False, lifespan="off"))
        # As the server of the API does once it is open.
        pass_over_what_is_loaded()
        task = asyncio.create_task(server.serve(sockets=[held]))
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            await task
            await gateway.aclose()
            await engine.aclose()


@dataclass(frozen=True)
class Outcome:
    requests: int
    seconds: float
    allowed_s: float
    latencies_s: list[float]
    lost: list[str]

    @property
    def share(self) -> float:
        """Throughput over what the models allow."""
        return self.allowed_s / self.seconds


async def stress(url: str, requests: int) -> Outcome:
    asked = [ASKED[number % len(ASKED)] for number in range(requests)]
    began = time.perf_counter()
    replies = await asyncio.gather(*(ask(url, name, "hello", 8) for name in asked), return_exceptions=True)
    seconds = time.perf_counter() - began
    lost = [str(reply) for reply in replies if isinstance(reply, BaseException)]
    if wrong := [reply for reply in replies if isinstance(reply, BaseException) and not isinstance(reply, RequestLost)]:
        raise wrong[0]
    latencies = [reply.seconds for reply in replies if not isinstance(reply, BaseException)]
    allowed_s = max(MODELS[name].needs_s(count) for name, count in Counter(asked).items())
    return Outcome(requests, seconds, allowed_s, latencies, lost)


def figures_of(outcome: Outcome) -> list[Figure]:
    count = f"{outcome.requests:,} requests at once"
    answered = outcome.requests - len(outcome.lost)
    return [
        Figure(
            id=f"stress-{outcome.requests}-success",
            name=f"answered, {count}",
            value=100 * answered / outcome.requests,
            wanted=100,
            sense="at least",
            value_unit="%",
        ),
        Figure(
            id=f"stress-{outcome.requests}-throughput",
            name=f"throughput over what the models' latencies allow, {count}",
            value=outcome.share,
            wanted=WANTED_SHARE,
            sense="at least",
            ours=answered / outcome.seconds,
            peer=outcome.requests / outcome.allowed_s,
            unit="requests/s",
        ),
        Figure(
            id=f"stress-{outcome.requests}-p99",
            name=f"latency, p99, queue included, {count}",
            value=percentile(outcome.latencies_s, 99),
            # The last of them waits for all others.
            wanted=outcome.allowed_s / WANTED_SHARE,
            sense="at most",
            value_unit="s",
        ),
    ]


async def serve() -> None:
    """Until standard input ends."""
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder)) as url:
            print(url, flush=True)
            await asyncio.to_thread(sys.stdin.read)


class Server(Child):
    """The API in a process of its own, as clients meet it."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "benchmarks.stress", "--serve"])
        self.url = self._child.stdout.readline().strip() if self._child.stdout else ""
        if not self.url:
            raise SystemExit("the server did not start")


async def measure(crowds: list[int]) -> list[Outcome]:
    with Server() as server:
        await ask(server.url, "simple", "hello", 8)
        return [await stress(server.url, requests) for requests in crowds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", default=",".join(map(str, CROWDS)))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
        return
    crowds = [int(text) for text in arguments.requests.split(",")]
    outcomes = asyncio.run(measure(crowds))
    figures = [figure for outcome in outcomes for figure in figures_of(outcome)]
    for row in table(figures):
        sys.stdout.write(" | ".join(row) + "\n")
    for outcome in outcomes:
        if outcome.lost:
            sys.stdout.write(f"lost: {outcome.lost[0]}\n")
    if tuple(crowds) == CROWDS:
        sys.stdout.write(f"{save('stress', figures)}\n")


if __name__ == "__main__":
    main()
