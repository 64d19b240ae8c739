from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from multi_llm_comparator.services.bridge import Bridge, get_bridge


@pytest.fixture
def bridge() -> Iterator[Any]:
    bridge = Bridge()
    yield bridge
    bridge.close()


async def give(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


def test_a_synchronous_caller_gets_the_coroutines_result(bridge: Any) -> None:
    assert bridge.run(give(3)) == 3


def test_what_the_coroutine_raises_reaches_the_caller(bridge: Any) -> None:
    async def fail() -> None:
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        bridge.run(fail())


def test_a_coroutine_that_takes_too_long_is_cancelled(bridge: Any) -> None:
    cancelled = asyncio.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        bridge.run(hang(), timeout_s=0.05)
    bridge.run(asyncio.wait_for(cancelled.wait(), 5))
    assert cancelled.is_set()


def test_waiting_on_the_loop_itself_is_refused_rather_than_a_deadlock(bridge: Any) -> None:
    async def nested() -> None:
        bridge.run(give(1))

    with pytest.raises(RuntimeError, match="await the coroutine"):
        bridge.run(nested())


def test_closing_cancels_what_still_runs() -> None:
    bridge = Bridge()
    future = bridge.submit(asyncio.Event().wait())
    bridge.close()
    bridge.close()
    assert future.cancelled() or future.exception() is not None


def test_there_is_one_bridge_for_the_process() -> None:
    assert get_bridge() is get_bridge()
