from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

import pytest

from multi_llm_comparator.core.exceptions import AnswerInterrupted
from multi_llm_comparator.server.relay import MAX_UNREAD, Relay
from multi_llm_comparator.services.bridge import Bridge
from tests.support.gateways import PATIENCE_S


class Source:
    """Counts up; says whether it was closed."""

    def __init__(self, end: int | None) -> None:
        self.end, self.at, self.closed = end, 0, asyncio.Event()

    async def numbers(self) -> AsyncGenerator[int, None]:
        try:
            while self.end is None or self.at < self.end:
                self.at += 1
                yield self.at
                await asyncio.sleep(0)
        finally:
            self.closed.set()


async def read(relay: Relay[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    async with asyncio.timeout(PATIENCE_S):
        while batch := await relay.batch():
            found += batch
    return found


@pytest.fixture(params=["same loop", "another loop"])
def loop(request: pytest.FixtureRequest) -> Iterator[Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that sources run on; made lazily, for a test has its own."""
    if request.param == "same loop":
        yield asyncio.get_running_loop
        return
    bridge = Bridge()
    yield lambda: bridge.loop
    bridge.close()


async def test_every_source_comes_whole_and_in_its_order(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    sources = [Source(2000), Source(0), Source(3)]
    found = await read(Relay(loop(), [source.numbers() for source in sources]))
    for number, source in enumerate(sources):
        assert [value for of, value in found if of == number] == list(range(1, (source.end or 0) + 1))


async def test_who_reads_slowly_makes_the_source_wait(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    source = Source(None)
    relay = Relay(loop(), [source.numbers()])
    await relay.batch()
    async with asyncio.timeout(PATIENCE_S):
        while len(relay._unread) < MAX_UNREAD:
            await asyncio.sleep(0.005)
    stood_at = source.at
    await asyncio.sleep(0.05)
    assert source.at == stood_at
    assert len(await relay.batch()) == MAX_UNREAD
    assert await relay.batch()
    relay.close()


async def test_closing_closes_the_sources() -> None:
    sources = [Source(None), Source(None)]
    relay = Relay(asyncio.get_running_loop(), [source.numbers() for source in sources])
    await relay.batch()
    relay.close()
    async with asyncio.timeout(PATIENCE_S):
        for source in sources:
            await source.closed.wait()


async def test_a_loop_that_ends_is_told_to_the_reader() -> None:
    bridge = Bridge()
    relay = Relay(bridge.loop, [Source(None).numbers()])
    await relay.batch()
    closing = asyncio.create_task(asyncio.to_thread(bridge.close))
    with pytest.raises(AnswerInterrupted):
        await read(relay)
    await closing


async def test_what_a_source_raises_is_raised_to_the_reader(loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise ZeroDivisionError

    relay = Relay(loop(), [broken()])
    with pytest.raises(ExceptionGroup) as found:
        await read(relay)
    assert found.value.subgroup(ZeroDivisionError)
