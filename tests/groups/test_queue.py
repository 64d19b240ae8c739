"""The queue in front of the limits: fair, bounded, with places and deadlines."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import LimitExceededError, QueueFullError
from multi_llm_comparator.groups import ConcurrencyController
from multi_llm_comparator.groups.concurrency_controller import Admission, Place
from multi_llm_comparator.groups.limits import Level

GROUP, X, Y = Level("group", concurrency=3), Level("x", concurrency=1), Level("y", concurrency=2)


async def enter_now(controller: ConcurrencyController, *levels: Level) -> Admission:
    got = await controller.enter((levels,), 0)
    assert isinstance(got, Admission)
    return got


async def queue_up(controller: ConcurrencyController, *levels: Level) -> Place:
    got = await controller.enter((levels,), 0)
    assert isinstance(got, Place)
    return got


async def admitted(place: Place) -> Admission:
    got = await place.wait(20)
    assert got is not None
    return got


async def test_whoever_came_first_goes_first() -> None:
    controller = ConcurrencyController()
    running = await enter_now(controller, X)
    places = [await queue_up(controller, X) for _ in range(5)]
    assert [place.ahead for place in places] == [0, 1, 2, 3, 4]
    for place in places:
        controller.settle(running.grant, 0)
        running = await admitted(place)
    controller.settle(running.grant, 0)
    assert controller.get_status()["waiting"] == 0


async def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    controller = ConcurrencyController()
    running = await enter_now(controller, X)
    waiting = await queue_up(controller, X)
    controller.settle(running.grant, 0)
    late = await queue_up(controller, X)
    await admitted(waiting)
    assert await late.wait(0) is None


async def test_who_needs_nothing_scarce_passes() -> None:
    controller = ConcurrencyController()
    await enter_now(controller, GROUP, X)
    blocked = await queue_up(controller, GROUP, X)
    other = await controller.enter(((GROUP, Y),), 0)
    got = other if isinstance(other, Admission) else await admitted(other)
    assert got.choice == 0
    assert await blocked.wait(0) is None


async def test_the_first_alternative_with_room_is_taken() -> None:
    controller = ConcurrencyController()
    await enter_now(controller, X)
    got = await controller.enter(((X,), (Y,)), 0)
    assert isinstance(got, Admission)
    assert got.choice == 1


async def test_a_waiter_takes_whichever_alternative_frees_first() -> None:
    controller = ConcurrencyController()
    await enter_now(controller, X)
    ys = [await enter_now(controller, Y) for _ in range(2)]
    place = await controller.enter(((X,), (Y,)), 0)
    assert isinstance(place, Place)
    controller.settle(ys[0].grant, 0)
    assert (await admitted(place)).choice == 1


async def test_a_full_queue_fails_at_once() -> None:
    controller = ConcurrencyController(queue_size=2)
    await enter_now(controller, X)
    places = [await queue_up(controller, X) for _ in range(2)]
    with pytest.raises(QueueFullError, match="2 requests wait already for x"):
        await controller.enter(((X,),), 0)
    with places[0]:
        pass
    await queue_up(controller, X)


async def test_leaving_frees_the_place_and_moves_the_others_up() -> None:
    controller = ConcurrencyController()
    running = await enter_now(controller, X)
    first, second = await queue_up(controller, X), await queue_up(controller, X)
    with first:
        assert await first.wait(0) is None
    assert second.ahead == 0
    controller.settle(running.grant, 0)
    await admitted(second)


async def test_an_admission_that_nobody_took_is_given_back() -> None:
    controller = ConcurrencyController()
    running = await enter_now(controller, X)
    with await queue_up(controller, X) as place:
        controller.settle(running.grant, 0)
        while not place._waiter.future.done():
            await asyncio.sleep(0)
    assert (await enter_now(controller, X)).choice == 0


async def test_a_cancelled_waiter_holds_nothing() -> None:
    controller = ConcurrencyController()
    running = await enter_now(controller, X)

    async def wait() -> None:
        with await queue_up(controller, X) as place:
            await place.wait(20)

    task = asyncio.create_task(wait())
    while controller.get_status()["waiting"] == 0:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    controller.settle(running.grant, 0)
    await enter_now(controller, X)


async def test_a_request_that_can_never_fit_says_so() -> None:
    controller = ConcurrencyController()
    with pytest.raises(LimitExceededError, match=r"reserves 500 tokens .* tpm_limit allows 100"):
        await controller.enter(((Level("m", tpm=100),),), 500)


async def test_what_may_fit_takes_the_whole_limit_and_what_cannot_goes_where_it_fits() -> None:
    controller = ConcurrencyController()
    small, large = Level("small", tpm=100), Level("large", concurrency=1, tpm=1000)
    for likely, choice in ((500, 1), (90, 0)):
        got = await controller.enter(((small,), (large,)), 700, likely=likely)
        assert isinstance(got, Admission)
        assert got.choice == choice
    assert {key: level["tokens_in_window"] for key, level in controller.store.status((small, large)).items()} == {
        "small": 100,
        "large": 700,
    }
    with pytest.raises(LimitExceededError, match="reserves 2000 tokens"):
        await controller.enter(((small,), (large,)), 5000, likely=2000)


async def test_a_waiter_is_not_let_in_where_it_cannot_fit() -> None:
    controller = ConcurrencyController()
    small, large = Level("small", tpm=100), Level("large", concurrency=1)
    running = await enter_now(controller, large)
    place = await controller.enter(((small,), (large,)), 700, likely=500)
    assert isinstance(place, Place)
    assert await place.wait(0) is None
    controller.settle(running.grant, 0)
    assert (await admitted(place)).choice == 1


async def test_a_spent_minute_lets_waiters_in_as_it_passes() -> None:
    now = 1000.0
    controller = ConcurrencyController(clock=lambda: now)
    level = Level("m", rpm=1)
    await enter_now(controller, level)
    place = await queue_up(controller, level)
    assert await place.wait(0) is None
    now += 60
    controller._wake.set()
    await admitted(place)


async def test_status_shows_levels_and_queues() -> None:
    controller = ConcurrencyController(queue_size=7)
    controller.configure({"x": X}, 7)
    await enter_now(controller, X)
    await queue_up(controller, X)
    status = controller.get_status()
    assert (status["waiting"], status["queue_size"]) == (1, 7)
    assert (status["levels"]["x"]["active"], status["levels"]["x"]["waiting"]) == (1, 1)


async def test_closing_wakes_everybody_with_an_error() -> None:
    controller = ConcurrencyController()
    await enter_now(controller, X)
    with await queue_up(controller, X) as place:
        await controller.aclose()
        with pytest.raises(LimitExceededError, match="closed"):
            await place.wait(20)


wishes = st.lists(st.sampled_from([(X,), (Y,), (GROUP, X), (GROUP, Y), (X, Y)]), min_size=1, max_size=40)


@settings(max_examples=30)
@given(wishes)
def test_everybody_is_admitted_in_the_end_and_no_limit_is_passed(wanted: list[tuple[Level, ...]]) -> None:
    async def run() -> None:
        controller = ConcurrencyController()
        running: dict[str, int] = {"group": 0, "x": 0, "y": 0}

        async def caller(levels: tuple[Level, ...]) -> None:
            got = await controller.enter((levels,), 0)
            if isinstance(got, Place):
                with got as place:
                    admission = await place.wait(20)
            else:
                admission = got
            assert admission is not None, "starved"
            for level in levels:
                running[level.key] += 1
                assert running[level.key] <= (level.concurrency or 0)
            await asyncio.sleep(0)
            for level in levels:
                running[level.key] -= 1
            controller.settle(admission.grant, 0)

        await asyncio.gather(*(caller(levels) for levels in wanted))
        assert controller.get_status()["waiting"] == 0

    asyncio.run(run())
