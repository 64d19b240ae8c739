"""Limits, breakers and budgets that several processes share through a real Redis."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from multi_llm_comparator.core.exceptions import CircuitOpenError, InferenceError
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.breaker import CallOutcome, Permit
from multi_llm_comparator.groups.budgets import Allowance
from multi_llm_comparator.groups.config import BreakerSettings
from multi_llm_comparator.groups.limits import Grant, Level, Refusal
from multi_llm_comparator.groups.redis_breakers import RedisBreakers
from multi_llm_comparator.groups.redis_ledger import RedisLedger
from multi_llm_comparator.groups.redis_limits import RedisLimits, connect
from tests.support.gateways import ActingSource, Gate, Given, ask, failure, gateway_of, text_of
from tests.support.redis import redis_server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
async def client(server: str) -> AsyncIterator[redis.asyncio.Redis]:
    client = connect(server)
    await client.flushall()
    yield client
    await client.aclose()


async def test_four_processes_pass_exactly_what_one_may(server: str, client: redis.asyncio.Redis) -> None:
    """800 calls in all, 100 allowed in a minute: by their number, and by their 10 tokens each."""
    await client.set("expected", 4)
    command = [sys.executable, "-m", "tests.support.limited_caller", server, "200"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    callers = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        for _ in range(4)
    ]
    outputs = [[int(count) for count in (await caller.communicate())[0].split()] for caller in callers]
    assert [sum(counts) for counts in zip(*outputs, strict=True)] == [100, 700, 100, 700]


async def take(limits: RedisLimits, *levels: Level, tokens: int = 0) -> Grant:
    got = await limits.take(levels, tokens)
    assert isinstance(got, Grant)
    return got


async def counted(limits: RedisLimits, level: Level) -> tuple[int, int, int]:
    await limits._background.drain()
    await limits.refresh([level])
    status = limits.status([level])[level.key]
    return status["active"], status["requests_in_window"], status["tokens_in_window"]


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
async def test_reservations_are_corrected(client: redis.asyncio.Redis, algorithm: str) -> None:
    limits = RedisLimits(client)
    level = Level("m", concurrency=5, rpm=1000, tpm=100, algorithm=algorithm)
    grant = await take(limits, level, tokens=90)
    assert isinstance(await limits.take((level,), 20), Refusal)
    limits.settle(grant, 30)
    assert (await counted(limits, level))[0] == 0
    assert abs((await counted(limits, level))[2] - 30) <= 1
    undone = await take(limits, level, tokens=60)
    limits.settle(undone, 0, made=False)
    active, requests, tokens = await counted(limits, level)
    assert (active, requests) == (0, 1)
    assert abs(tokens - 30) <= 1
    await limits.aclose()


async def test_more_than_the_limit_takes_the_whole_of_it_and_no_more(client: redis.asyncio.Redis) -> None:
    limits = RedisLimits(client)
    small, large = Level("small", tpm=100), Level("large", tpm=1000)
    grant = await take(limits, small, large, tokens=500)
    assert (await counted(limits, small))[2] == 100
    assert (await counted(limits, large))[2] == 500
    limits.settle(grant, 40)
    assert (await counted(limits, small))[2] == 40
    assert (await counted(limits, large))[2] == 40
    await limits.aclose()


async def test_a_refusal_names_the_levels_and_takes_nothing(client: redis.asyncio.Redis) -> None:
    limits = RedisLimits(client)
    full, free = Level("full", concurrency=1), Level("free", rpm=5)
    grant = await take(limits, full)
    assert await limits.take((free, full), 0) == Refusal(("full",), None)
    assert (await counted(limits, free))[1] == 0
    limits.settle(grant, 0)
    await limits.aclose()


async def test_the_wait_that_is_told_is_the_rest_of_the_minute(client: redis.asyncio.Redis) -> None:
    limits = RedisLimits(client)
    level = Level("m", rpm=1)
    limits.settle(await take(limits, level), 0)
    refusal = await limits.take((level,), 0)
    assert isinstance(refusal, Refusal)
    assert refusal.wait_s is not None
    assert 50 < refusal.wait_s <= 60
    await limits.aclose()


async def test_the_place_of_a_process_that_died_is_free_when_its_lease_ends(client: redis.asyncio.Redis) -> None:
    dead, alive = RedisLimits(client, lease_s=0.2), RedisLimits(client, lease_s=1)
    level = Level("m", concurrency=1)
    await take(dead, level)
    assert dead._renewing is not None
    dead._renewing.cancel()
    async with asyncio.timeout(20):
        while isinstance(got := await alive.take((level,), 0), Refusal):
            await asyncio.sleep(0.02)
    assert isinstance(got, Grant)
    # ... and a living process keeps its place over many leases.
    await asyncio.sleep(2.1)
    assert isinstance(await dead.take((level,), 0), Refusal)
    alive.settle(got, 0)
    await alive.aclose()


async def test_a_caller_that_is_cancelled_while_asking_holds_nothing(client: redis.asyncio.Redis) -> None:
    limits = RedisLimits(client)
    level = Level("m", concurrency=100, rpm=1000)
    tasks = [asyncio.create_task(limits.take((level,), 0)) for _ in range(20)]
    for _ in range(3):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await limits._background.drain()
    assert limits._held == {}
    assert (await counted(limits, level))[:2] == (0, 0)
    await limits.aclose()


SETTINGS = BreakerSettings(failure_threshold=3, recovery_s=1000, half_open_probes=1)


async def fail(breakers: RedisBreakers, times: int) -> None:
    for _ in range(times):
        breakers.report(await breakers.admit("m"), CallOutcome.FAILURE)
        await breakers._background.drain()


async def recover(client: redis.asyncio.Redis) -> None:
    """Put the moment of opening so far back that the recovery time is over."""
    await client.hincrby("{mlc}:breaker:m", "opened", -1_000_000_000)


async def admits(breakers: RedisBreakers) -> list[Permit]:
    """Who of fifty callers gets through."""
    got = await asyncio.gather(*(breakers.admit("m") for _ in range(50)), return_exceptions=True)
    assert all(isinstance(answer, Permit | CircuitOpenError) for answer in got)
    return [answer for answer in got if isinstance(answer, Permit)]


async def test_processes_open_a_breaker_together_and_send_one_probe(client: redis.asyncio.Redis) -> None:
    here, there = RedisBreakers(client, SETTINGS), RedisBreakers(client, SETTINGS)
    await fail(here, 2)
    await fail(there, 1)
    assert await admits(here) == []
    assert here.is_out("m")
    await recover(client)
    probes = [*await admits(here), *await admits(there)]
    assert len(probes) == 1
    assert probes[0].is_probe
    here.report(probes[0], CallOutcome.SUCCESS)
    await here._background.drain()
    assert len(await admits(there)) == 50
    there.open("m")
    await there._background.drain()
    assert await admits(here) == []
    here.reset("m")
    await here._background.drain()
    assert len(await admits(there)) == 50
    assert there.status(["m"])["m"]["state"] == "closed"


async def test_a_probe_may_take_as_long_as_its_request_and_no_second_goes_meanwhile(
    client: redis.asyncio.Redis,
) -> None:
    breakers = RedisBreakers(client, SETTINGS)
    await fail(breakers, 3)
    await recover(client)
    assert (await breakers.admit("m", 1800.0)).is_probe
    assert await client.pttl("{mlc}:breaker:m:probes") > 1_800_000


async def test_a_cancelled_probe_is_handed_back(client: redis.asyncio.Redis) -> None:
    breakers = RedisBreakers(client, SETTINGS)
    await fail(breakers, 3)
    await recover(client)
    task = asyncio.create_task(breakers.admit("m"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await breakers._background.drain()
    assert len(await admits(breakers)) == 1


async def test_budgets_are_booked_once_however_many_ask(client: redis.asyncio.Redis) -> None:
    here, there = RedisLedger(client), RedisLedger(client)
    allowances = (Allowance("g|day|x", 1000), Allowance("g|run|y", 500))
    answers = await asyncio.gather(*(ledger.book(allowances, 100) for ledger in (here, there) for _ in range(20)))
    assert sum(answer is None for answer in answers) == 5
    assert {answer.key for answer in answers if answer is not None} == {"g|run|y"}
    here.correct(allowances, -400)
    await here.aclose()
    assert await there.book(allowances, 400) is None
    assert there.spent("g|run|y") == 500


async def test_two_gateways_share_one_limit(server: str, client: redis.asyncio.Redis, tmp_path: Path) -> None:
    config = f"""
gateway: {{redis_url: "{server}", retry_wait_s: 0}}
task_groups: {{g: {{e: {{models: [a], concurrency_limit: 1, timeout: 30}}}}}}
"""
    slow, other = ActingSource(), ActingSource()
    gate = Gate()
    slow.script("a", gate)
    async with gateway_of(config, tmp_path / "1", slow) as first, gateway_of(config, tmp_path / "2", other) as second:
        running = asyncio.create_task(ask(first, "g"))
        await gate.has_entered()
        waiting = asyncio.create_task(ask(second, "g"))
        async with asyncio.timeout(20):
            while second.get_status()["limits"]["waiting"] == 0:
                await asyncio.sleep(0.01)
        assert other.asked == []
        gate.opened.set()
        assert text_of(await running) == "through"
        assert text_of(await waiting) == "I am a"
        assert second.get_status()["shared"] == "redis"


async def test_a_redis_that_is_gone_fails_requests_clearly(tmp_path: Path) -> None:
    limits = RedisLimits(connect(f"unix://{tmp_path}/nothing.sock"))
    with pytest.raises(InferenceError, match="the limits kept in Redis cannot be reached"):
        await limits.take((Level("m", rpm=1),), 0)
    config = f"""
gateway: {{redis_url: "unix://{tmp_path}/nothing.sock"}}
task_groups: {{g: {{e: {{models: [a], rpm_limit: 5}}}}}}
"""
    gateway = Gateway(TaskGroupManager(Given(config)), ActingSource(), folder=tmp_path)
    assert failure(await ask(gateway, "g")) == "InferenceError"
    await gateway.aclose()
