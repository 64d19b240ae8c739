"""Thousands of requests over three providers that misbehave: none hangs, is lost or lies; all is accounted for."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import Event, Failed, Finished, TextDelta
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    InferenceError,
    KeyRefusedError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups import Gateway
from tests.support.gateways import answer, asking, failure, gateway_of, hang, text_of
from tests.support.scripted_openai_server import Act, ScriptedServer

pytestmark = pytest.mark.slow

ANSWER = "the whole answer"
FAULT_RATE = 0.2
HANGS_AFTER_S = 400.0
KINDS = ["429", "429 short", "500", "cut early", "cut", "bad json", "hang", "400", "401", "overflow", "failed event"]


class Flaky:
    """A provider as its client shows it: answers, or fails in one of the ways a real one does."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.calls = 0

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.calls += 1
        if self._random.random() < 0.05:
            await asyncio.sleep(0.002)
        if self._random.random() >= FAULT_RATE:
            async for event in answer(request, ANSWER):
                yield event
            return
        fault = self._random.choice(KINDS)
        self.faults[fault] += 1
        if fault == "hang":
            async for event in hang(request):
                yield event
        if fault == "failed event":
            yield Failed(request_id=request.id, error_type="ModelProcessDied", message="error text of a crash")
            return
        if fault == "cut":
            yield TextDelta(request_id=request.id, text="the ", tokens=1)
        raise {
            "429": RateLimitedError("error text: slow down"),
            "429 short": RateLimitedError("error text: slow down", retry_after_s=0.001),
            "400": RequestRefusedError("error text: bad request"),
            "401": KeyRefusedError("error text: who are you?"),
            "overflow": ContextOverflowError("error text: too long"),
        }.get(fault, ProviderUnavailableError(f"error text: {fault}"))


CONFIG = """
gateway:
  retry_wait_s: 0.001
  retry_wait_max_s: 0.005
  queue_size: 1000
  breaker: {failure_threshold: 5, recovery_s: 0.02}
models:
  p1: {first_token_timeout_s: 1.0, concurrency_limit: 40}
  p2: {first_token_timeout_s: 1.0, concurrency_limit: 40}
  p3: {first_token_timeout_s: 1.0, context_length: 8000}
task_groups:
  g: {e: {models: [p1, p2, p3], max_retries: 1, timeout: 60}, concurrency_limit: 100}
polling_pools: {p: {task_groups: [g]}}
"""


async def run(gateway: Gateway, requests: int, callers: int) -> Counter[str | None]:
    """Send ``requests`` from ``callers`` at a time; how they ended, each checked for being a whole answer or none."""
    ends: Counter[str | None] = Counter()
    left = iter(range(requests))

    async def caller() -> None:
        for _ in left:
            # Far beyond its deadline: whatever takes so long hangs. All together may take as long as they like.
            async with asyncio.timeout(HANGS_AFTER_S):
                events = [event async for event in gateway.stream("g", asking())]
            error = failure(events)
            ends[error] += 1
            assert sum(isinstance(event, Finished | Failed) for event in events) == 1
            text = text_of(events)
            assert "error" not in text
            assert text == ANSWER if error is None else ANSWER.startswith(text)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return ends


@pytest.mark.parametrize("requests", [2_000, pytest.param(10_000, marks=pytest.mark.nightly)])
async def test_thousands_of_requests_over_three_flaky_providers(tmp_path: Path, requests: int) -> None:
    source = Flaky(seed=1)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        ends = await run(gateway, requests, 100)
        statistics = gateway.get_statistics()
    assert sum(ends.values()) == requests, "a request was lost"
    assert statistics["requests"]["answered"] == ends[None]
    assert statistics["requests"].get("failed", 0) == requests - ends[None]
    made = {kind: statistics["attempts"].get(kind, 0) for kind in ("answered", "failed", "failed_after_text")}
    assert sum(made.values()) == source.calls, "an attempt was not accounted for"
    # On a machine that stands still for a second, a healthy call may be given up as if it hung; that counts too.
    hung = statistics["errors"]["FirstTokenTimeoutError"]
    assert hung >= source.faults["hang"]
    assert made["failed"] + made["failed_after_text"] == sum(source.faults.values()) - source.faults["hang"] + hung
    assert made["failed_after_text"] == source.faults["cut"]
    # What a fallback cannot cure is reported: a cut after text, a wrong request, and overflows with nowhere longer.
    assert ends[None] >= 0.9 * requests
    assert ends["RequestRefusedError"] == source.faults["400"]
    assert ends["InferenceError"] == 0


FAULTS = [
    Act("status", status=429, headers={"retry-after-ms": "5"}),
    Act("status", status=429, headers={"Retry-After": "1000"}),
    Act("status", status=500),
    Act("status", status=503),
    Act("bad_json"),
    Act("no_chunk"),
    Act("cut_early"),
    Act("cut", text=ANSWER),
    Act("no_end", text=ANSWER),
    Act("hang"),
    Act("refuse"),
    Act(text=ANSWER, delay_s=0.05),
]


async def check_over_http(tmp_path: Path, requests: int) -> None:
    randomness = random.Random(2)
    faults: Counter[str] = Counter()

    def choose(model: str) -> Act:
        if randomness.random() >= FAULT_RATE:
            return Act(text=ANSWER)
        act = randomness.choice(FAULTS)
        faults[act.kind] += act.kind != "answer"
        return act

    async with ScriptedServer() as server:
        server.choose = choose
        config = {
            "gateway": {
                "retry_wait_s": 0.001,
                "first_token_timeout_s": 5.0,
                "breaker": {"failure_threshold": 20, "recovery_s": 0.05},
            },
            "models": {
                f"p{n}": {"base_url": server.url, "connect_timeout_s": 60, "provider": f"provider {n}"}
                for n in (1, 2, 3)
            },
            "task_groups": {"g": {"e": {"models": ["p1", "p2", "p3"], "timeout": 120}, "concurrency_limit": 30}},
            "polling_pools": {"p": {"task_groups": ["g"]}},
        }
        async with gateway_of(config, tmp_path) as gateway:
            # A provider that asks for a thousand seconds is forgiven sooner here, or soon all three would rest.
            gateway.parts.health.rest = lambda model, seconds: None  # type: ignore[method-assign]
            ends = await run(gateway, requests, 30)
            statistics = gateway.get_statistics()
        assert sum(ends.values()) == requests, "a request was lost"
        attempts = statistics["attempts"]
        made = sum(attempts.get(kind, 0) for kind in ("answered", "failed", "failed_after_text"))
        failed = attempts.get("failed", 0) + attempts.get("failed_after_text", 0)
        assert failed >= sum(faults.values()), "a fault was not accounted for"
        # A call on a kept connection that the server has just closed fails without ever arriving.
        assert 0 <= made - len(server.received) <= failed - sum(faults.values()), "an attempt was not accounted for"
        assert ends[None] >= 0.9 * requests
        assert ends[InferenceError.__name__] == 0


async def test_faults_over_http(tmp_path: Path) -> None:
    await check_over_http(tmp_path, 300)


@pytest.mark.nightly
async def test_ten_thousand_requests_over_http(tmp_path: Path) -> None:
    await check_over_http(tmp_path, 10_000)
