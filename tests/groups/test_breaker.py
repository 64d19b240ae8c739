"""Circuit breakers: a state machine that cannot be talked out of its promise."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from multi_llm_comparator.core.exceptions import CircuitOpenError
from multi_llm_comparator.groups.breaker import CallOutcome, MemoryBreakers, Permit
from multi_llm_comparator.groups.config import BreakerSettings

SETTINGS = BreakerSettings(failure_threshold=3, recovery_s=10.0, half_open_probes=1)


class Clock:
    def __init__(self) -> None:
        self.now = 500.0

    def __call__(self) -> float:
        return self.now


async def fail(breakers: MemoryBreakers, times: int = 3) -> None:
    for _ in range(times):
        breakers.report(await breakers.admit("m"), CallOutcome.FAILURE)


def state(breakers: MemoryBreakers) -> str:
    return str(breakers.status(["m"])["m"]["state"])


async def test_opens_at_the_threshold_and_refuses() -> None:
    breakers = MemoryBreakers(SETTINGS, Clock())
    await fail(breakers, 2)
    assert state(breakers) == "closed"
    await fail(breakers, 1)
    assert state(breakers) == "open"
    assert breakers.is_out("m")
    with pytest.raises(CircuitOpenError, match=r"'m' failed too often .* another 10 s"):
        await breakers.admit("m")


async def test_a_success_between_forgets_the_failures() -> None:
    breakers = MemoryBreakers(SETTINGS, Clock())
    await fail(breakers, 2)
    breakers.report(await breakers.admit("m"), CallOutcome.SUCCESS)
    await fail(breakers, 2)
    assert state(breakers) == "closed"


async def test_fifty_callers_at_a_half_open_breaker_send_one_probe() -> None:
    clock = Clock()
    breakers = MemoryBreakers(SETTINGS, clock)
    await fail(breakers)
    clock.now += 10
    permits, refusals = [], 0
    for _ in range(50):
        try:
            permits.append(await breakers.admit("m"))
        except CircuitOpenError:
            refusals += 1
    assert (len(permits), refusals) == (1, 49)
    breakers.report(permits[0], CallOutcome.SUCCESS)
    assert state(breakers) == "closed"


async def test_a_failed_probe_opens_again_for_the_whole_time() -> None:
    clock = Clock()
    breakers = MemoryBreakers(SETTINGS, clock)
    await fail(breakers)
    clock.now += 10
    await fail(breakers, 1)
    clock.now += 9.9
    assert state(breakers) == "open"
    clock.now += 0.1
    assert state(breakers) == "half_open"


async def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    clock = Clock()
    breakers = MemoryBreakers(SETTINGS, clock)
    await fail(breakers)
    clock.now += 10
    breakers.report(await breakers.admit("m"), CallOutcome.UNKNOWN)
    assert (await breakers.admit("m")).is_probe


async def test_a_verdict_from_before_it_opened_does_not_count() -> None:
    clock = Clock()
    breakers = MemoryBreakers(SETTINGS, clock)
    slow = await breakers.admit("m")
    await fail(breakers)
    clock.now += 10
    await breakers.admit("m")
    breakers.report(slow, CallOutcome.SUCCESS)
    assert state(breakers) == "half_open"


async def test_can_be_opened_and_reset_by_hand() -> None:
    breakers = MemoryBreakers(SETTINGS, Clock())
    breakers.open("m")
    assert state(breakers) == "open"
    breakers.reset("m")
    assert state(breakers) == "closed"
    await breakers.admit("m")


async def test_names_that_never_failed_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.groups.breaker.MAX_BREAKERS", 10)
    breakers = MemoryBreakers(SETTINGS, Clock())
    await fail(breakers)
    for number in range(100):
        await breakers.admit(f"name {number}")
    assert len(breakers._breakers) <= 11
    assert state(breakers) == "open"


class BreakerMachine(RuleBasedStateMachine):
    """Any interleaving of calls, verdicts and time keeps the promises."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.breakers = MemoryBreakers(SETTINGS, self.clock)
        self.running: list[Permit] = []

    def admit(self) -> Permit | None:
        waiting = self.breakers.admit("m")
        try:
            waiting.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        except CircuitOpenError:
            return None
        raise AssertionError("admitting must not wait")

    @rule(count=st.integers(1, 8))
    def call(self, count: int) -> None:
        before = state(self.breakers)
        got = [permit for permit in (self.admit() for _ in range(count)) if permit is not None]
        if before == "open":
            assert not got
        if before == "closed":
            assert len(got) == count
        if before == "half_open":
            assert len(got) <= 1
        self.running += got

    @rule(outcome=st.sampled_from(CallOutcome), pick=st.integers(0, 100))
    def end(self, outcome: CallOutcome, pick: int) -> None:
        if self.running:
            self.breakers.report(self.running.pop(pick % len(self.running)), outcome)

    @rule(seconds=st.sampled_from([0.1, 5.0, 10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def is_consistent(self) -> None:
        shown = self.breakers.status(["m"])["m"]
        assert 0 <= shown["probes"] <= SETTINGS.half_open_probes
        assert shown["probes"] <= sum(permit.is_probe for permit in self.running)
        if shown["state"] == "closed":
            assert shown["failures"] < SETTINGS.failure_threshold


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=40, stateful_step_count=25)
