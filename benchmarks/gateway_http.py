"""What the gateway adds over HTTP, beside LiteLLM's proxy before the same endpoint in the same run.

    python -m benchmarks.gateway_http            written to benchmarks/results/gateway_http.json (3 minutes)

Requests arrive at random moments at a rate that both sustain, whether earlier ones have ended or not, at an endpoint
that answers at once (about one in flight) or after some seconds (about 64). Each is timed from when it was due. What
the endpoint takes is taken off, and so is what the same arrivals wait when they ask it directly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from benchmarks.child import Child
from benchmarks.http_load import RequestLost, percentile
from benchmarks.http_servers import PROXY_KEY, litellm_proxy, workbench
from benchmarks.results import Figure, save, table

PER_S = 32.0
# About so many in flight, and what the endpoint takes for that, in seconds.
TAKES_S = {1: (0.0, 0.0), 64: (1.5, 2.5)}
SECONDS = 20.0
ROUNDS = 3
WANTED_MS, WANTED_SHARE = 5.0, 0.2

# Milliseconds: of callers in flight, p50 and p99.
Added = dict[int, tuple[float, float]]


class Endpoint(Child):
    """The endpoint behind both, as a process."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-m", "benchmarks.slow_endpoint"])
        assert self._child.stdout is not None
        self.url = self._child.stdout.readline().strip()


@contextmanager
def ours(endpoint: str) -> Iterator[str]:
    """``llm-server`` with a group of two models that are both this endpoint."""
    model = {"base_url": endpoint, "sampling": "none"}
    group = {"e": {"models": ["a", "b"], "concurrency_limit": 1000, "rpm_limit": 1_000_000, "tpm_limit": 900_000_000}}
    config = {"models": {"a": model, "b": model}, "task_groups": {"g": group}}
    with tempfile.TemporaryDirectory() as folder:
        groups = Path(folder) / "llms" / "groups"
        groups.mkdir(parents=True)
        (groups / "_task_groups.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        with workbench(Path(folder) / "models", configs_dir=folder) as url:
            yield url


async def post(url: str, takes_s: float) -> None:
    """One chat completion, not streamed, over a connection of its own."""
    where = urlsplit(url)
    question = [{"role": "user", "content": f"takes {takes_s:.4f}"}]
    payload = json.dumps({"model": "g", "messages": question, "max_tokens": 8}).encode()
    head = (
        f"POST {where.path}/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {PROXY_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\nConnection: close\r\n\r\n"
    )
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(head.encode() + payload)
        status = await reader.readline()
        said = await reader.readuntil(b'"hello"') if b" 200 " in status else await reader.read(2000)
        if b'"hello"' not in said:
            raise RequestLost(f"{url}: {status.decode().strip()}: {said[-300:].decode(errors='replace')}")
    finally:
        writer.close()


async def open_loop(url: str, takes_s: tuple[float, float], seed: int) -> list[float]:
    """Seconds that each request took beyond what the endpoint took."""
    chance = random.Random(seed)
    found: list[float] = []

    async def one(due: float, takes: float) -> None:
        await post(url, takes)
        found.append(time.perf_counter() - due - takes)

    await asyncio.gather(*(post(url, 0.0) for _ in range(8)))
    due = end = time.perf_counter()
    end += SECONDS
    async with asyncio.TaskGroup() as under_way:
        while due < end:
            due += chance.expovariate(PER_S)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            under_way.create_task(one(due, chance.uniform(*takes_s)))
    return found


def added_ms(url: str, endpoint: str, seed: int) -> Added:
    found: Added = {}
    for callers, takes_s in TAKES_S.items():
        bare = asyncio.run(open_loop(endpoint, takes_s, seed))
        through = asyncio.run(open_loop(url, takes_s, seed))
        p50, p99 = (1e3 * (percentile(through, p) - percentile(bare, p)) for p in (50, 99))
        found[callers] = p50, p99
        print(f"  {url}, {callers} in flight: p50 {p50:.2f} ms, p99 {p99:.2f} ms", flush=True)
    return found


def figures_of(rounds: list[tuple[Added, Added]]) -> list[Figure]:
    figures = []
    for callers in TAKES_S:
        for place, name in enumerate(("p50", "p99")):
            mine, theirs = ([side[callers][place] for side in sides] for sides in zip(*rounds, strict=True))
            what = f"added latency over HTTP, {name}, about {callers} in flight, {PER_S:g} requests/s"
            figures.append(
                Figure(
                    id=f"http-{name}-{callers}",
                    name=f"{what}, beside LiteLLM's proxy",
                    value=statistics.median(mine),
                    wanted=WANTED_MS,
                    sense="at most",
                    value_unit="ms",
                    ours=statistics.median(mine),
                    peer=statistics.median(theirs),
                    unit="ms",
                    rounds=[mine, theirs],
                )
            )
            if callers == 64 and name == "p99":
                share = statistics.median(one / other for one, other in zip(mine, theirs, strict=True))
                figures.append(
                    Figure(
                        id="http-share-64",
                        name=f"{what}: share of LiteLLM's",
                        value=share,
                        wanted=WANTED_SHARE,
                        sense="at most",
                    )
                )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    rounds = []
    with Endpoint() as endpoint, ours(endpoint.url) as mine, litellm_proxy(endpoint.url) as theirs:
        for number in range(options.rounds):
            urls = (mine, theirs) if number % 2 else (theirs, mine)
            found = {url: added_ms(url, endpoint.url, number) for url in urls}
            rounds.append((found[mine], found[theirs]))
    figures = figures_of(rounds)
    for row in table(figures):
        sys.stdout.write(" | ".join(row) + "\n")
    if options.rounds == ROUNDS:
        sys.stdout.write(f"{save('gateway_http', figures)}\n")


if __name__ == "__main__":
    main()
