"""Classes that are made without a workbench work from any event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest

from multi_llm_comparator.cooperation import standalone
from multi_llm_comparator.wiring import Services


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    standalone.close()


def test_it_is_opened_once_and_serves_one_event_loop_after_another() -> None:
    async def seen(services: Services) -> tuple[Services, asyncio.AbstractEventLoop]:
        return services, asyncio.get_running_loop()

    async def twice() -> list[tuple[Services, asyncio.AbstractEventLoop]]:
        return list(await asyncio.gather(standalone.with_services(seen), standalone.with_services(seen)))

    first, again = asyncio.run(twice()), asyncio.run(twice())
    assert len({id(services) for services, _ in [*first, *again]}) == 1
    assert len({id(loop) for _, loop in [*first, *again]}) == 1
    assert first[0][0] is standalone.services()


def test_whoever_leaves_cancels_the_work() -> None:
    left: list[bool] = []

    async def work(services: Services) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.append(True)

    async def leave() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await standalone.with_services(work)
        while not left:
            await asyncio.sleep(0.01)

    standalone.services()
    asyncio.run(asyncio.wait_for(leave(), 30))


def test_it_opens_anew_after_it_was_closed() -> None:
    first = standalone.services()
    standalone.close()
    assert standalone.services() is not first


@pytest.mark.slow
def test_a_program_that_ends_without_closing_ends_quietly() -> None:
    code = "from multi_llm_comparator.cooperation import standalone; standalone.services(); print('opened')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert (done.stdout, done.stderr) == ("opened\n", "")
