"""Requests that wait, take too long, are cancelled or meet a breaker: nothing hangs and nothing stays held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import (
    AttemptFailed,
    Event,
    FellBack,
    Finished,
    Queued,
    TextDelta,
)
from multi_llm_comparator.core.requests import GenerationRequest
from tests.support.gateways import (
    CONFIG,
    DOWN,
    ActingSource,
    Gate,
    ask,
    asking,
    assert_nothing_held,
    failure,
    gateway_of,
    hang,
    hang_after_text,
    of,
    text_of,
)

SLOW = """
gateway: {retry_wait_s: 0}
models: {a: {first_token_timeout_s: 0.05}}
task_groups:
  g: {echelon1: {models: [a, b], max_retries: 0}}
  short: {echelon1: {models: [c], timeout: 0.05, concurrency_limit: 1}}
"""


async def test_a_model_that_says_nothing_in_time_is_left_for_another(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["a"] = hang
    async with gateway_of(SLOW, tmp_path, source) as gateway:
        events = await ask(gateway, "g")
    assert of(events, AttemptFailed)[0].error_type == "FirstTokenTimeoutError"
    assert text_of(events) == "I am b"
    assert source.running["a"] == 0


async def test_one_deadline_ends_everything(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["c"] = hang
    async with gateway_of(SLOW, tmp_path, source) as gateway:
        events = await ask(gateway, "short")
    assert failure(events) == "DeadlineExceededError"
    assert "0.05 s" in events[-1].message  # type: ignore[attr-defined]
    assert source.running["c"] == 0


async def test_waiting_for_a_limit_shows_the_place_and_ends_with_the_deadline(tmp_path: Path) -> None:
    source, gate = ActingSource(), Gate()
    source.script("c", gate)
    config = SLOW.replace("timeout: 0.05, c", "timeout: 20, c")
    async with gateway_of(config, tmp_path, source) as gateway:
        first = asyncio.create_task(ask(gateway, "short"))
        await gate.has_entered()
        waiting = gateway.stream("short", asking())
        queued = await anext(waiting)
        assert isinstance(queued, Queued)
        assert queued.ahead == 0
        gate.opened.set()
        rest = [event async for event in waiting]
        assert text_of(await first) == "through"
        assert text_of(rest) == "I am c"


@pytest.mark.parametrize("deed", [hang, hang_after_text])
async def test_closing_the_stream_cancels_and_frees_everything(tmp_path: Path, deed: object) -> None:
    source = ActingSource()
    source.usual["a"] = deed  # type: ignore[assignment]
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        stream = gateway.stream("fast_group", asking())
        async for event in stream:
            if isinstance(event, TextDelta) or type(event).__name__ == "Started":
                break
        await stream.aclose()
        assert source.running["a"] == 0
        assert_nothing_held(gateway)
        assert gateway.get_statistics()["requests"] == {"cancelled": 1}
        assert gateway.get_history()[0]["outcome"] == "cancelled"
        assert gateway.get_status()["breakers"]["a"]["failures"] == 0


async def test_cancelling_at_any_step_frees_everything(tmp_path: Path) -> None:
    """A task that reads the stream is cancelled after each possible number of loop steps."""
    config = CONFIG.replace("concurrency_limit: 50", "concurrency_limit: 2")

    async def pausing(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0)
        yield TextDelta(request_id=request.id, text="x", tokens=1)
        await asyncio.sleep(0)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)

    for steps in range(25):
        source = ActingSource()
        source.usual = {"a": DOWN, "b": pausing}
        async with gateway_of(config, tmp_path / str(steps), source) as gateway:
            tasks = [asyncio.create_task(ask(gateway, "fast_group")) for _ in range(4)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert_nothing_held(gateway)
            assert sum(source.running.values()) == 0


async def test_a_full_queue_fails_at_once_or_falls_back(tmp_path: Path) -> None:
    config = """
gateway: {queue_size: 0}
task_groups:
  one: {echelon1: {models: [a], concurrency_limit: 1}}
"""
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    async with gateway_of(config, tmp_path, source) as gateway:
        first = asyncio.create_task(ask(gateway, "one"))
        await gate.has_entered()
        assert failure(await ask(gateway, "one")) == "QueueFullError"
        events = await ask(gateway, "one", fallback_groups=["b"])
        assert text_of(events) == "I am b"
        assert of(events, FellBack)[0].error_type == "QueueFullError"
        gate.opened.set()
        await first


@pytest.mark.parametrize(("prompt", "reserved"), [("7 " * 20, 156), ("7 " * 450, 1000)])
async def test_the_tokens_that_a_prompt_could_have_are_reserved_up_to_the_whole_limit(
    tmp_path: Path, prompt: str, reserved: int
) -> None:
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    config = "task_groups: {one: {echelon1: {models: [a], tpm_limit: 1000}}}"
    async with gateway_of(config, tmp_path, source) as gateway:
        running = asyncio.create_task(ask(gateway, "one", asking(prompt, max_tokens=100)))
        await gate.has_entered()
        level = gateway.get_status()["limits"]["levels"]["echelon:one.echelon1"]
        assert level["tokens_in_window"] == reserved
        gate.opened.set()
        await running


async def test_a_dead_group_of_one_is_spared_and_its_fallback_answers(tmp_path: Path) -> None:
    config = """
gateway: {retry_wait_s: 0}
task_groups:
  single: {echelon1: {models: [dead], max_retries: 3}, fallback_strategy: group_switch, fallback_groups: [spare]}
  spare: {echelon1: {models: [alive]}}
"""
    source = ActingSource()
    source.usual["dead"] = DOWN
    async with gateway_of(config, tmp_path, source) as gateway:
        for _ in range(15):
            assert text_of(await ask(gateway, "single")) == "I am alive"
    assert source.asked.count("dead") <= 4


ONE = "task_groups: {g: {e: {models: [m]}}}"


async def test_fifty_callers_send_one_probe_to_a_half_open_model(tmp_path: Path) -> None:
    now = 1000.0
    source, gate = ActingSource(), Gate()
    async with gateway_of(ONE, tmp_path, source, clock=lambda: now) as gateway:
        gateway.open_breaker("m")
        assert failure(await ask(gateway, "g")) == "CircuitOpenError"
        now += 30
        source.script("m", gate)
        callers = [asyncio.create_task(ask(gateway, "g")) for _ in range(50)]
        await gate.has_entered()
        gate.opened.set()
        answers = await asyncio.gather(*callers)
        assert source.asked == ["m"]
        assert sum(failure(events) is None for events in answers) == 1
        assert {failure(events) for events in answers} == {None, "CircuitOpenError"}
        assert text_of(await ask(gateway, "g")) == "I am m"


async def test_a_breaker_can_be_reset_by_hand(tmp_path: Path) -> None:
    async with gateway_of(ONE, tmp_path) as gateway:
        gateway.open_breaker("m")
        assert failure(await ask(gateway, "g")) == "CircuitOpenError"
        gateway.reset_breaker("m")
        assert failure(await ask(gateway, "g")) is None
