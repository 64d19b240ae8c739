"""Circuit breakers: one for each model.

Closed lets everything through and counts failures in a row. At the threshold it opens and lets nothing through until
the recovery time is over. Then it is half-open: a bounded number of probes may go, everybody else is refused; a probe
that succeeds closes it, one that fails opens it again. A probe that was cancelled proves nothing and frees its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from multi_llm_comparator.core.exceptions import CircuitOpenError
from multi_llm_comparator.groups.config import BreakerSettings

MAX_BREAKERS = 10_000
LONGEST_CALL_S = 600.0


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CallOutcome(StrEnum):
    """What a call says about its model. ``UNKNOWN`` says nothing: it was cancelled, or the fault was the request's."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to make one call. A verdict from an earlier ``epoch`` than the breaker's is too old to count."""

    model: str
    epoch: int
    is_probe: bool = False
    probe_id: str = ""


class Breakers(Protocol):
    """The breakers of all models, wherever their state is kept."""

    async def admit(self, model: str, within_s: float = LONGEST_CALL_S) -> Permit:
        """Leave for one call, which ends ``within_s``.

        Raises:
            CircuitOpenError: the model is to be left alone.
        """
        ...

    def report(self, permit: Permit, outcome: CallOutcome) -> None:
        """Say how the call went. Every permit is reported exactly once. Never suspends: it runs in clean-ups."""
        ...

    def is_out(self, model: str) -> bool:
        """Whether a call would surely be refused now, as far as is known here without asking anybody."""
        ...

    def open(self, model: str) -> None:
        """Open by hand; recovery begins as usual."""
        ...

    def reset(self, model: str) -> None:
        """Close by hand and forget the failures."""
        ...

    def configure(self, settings: BreakerSettings) -> None: ...

    def status(self, models: Iterable[str]) -> dict[str, dict[str, Any]]: ...

    async def aclose(self) -> None: ...


class CircuitBreaker:
    """The state machine of one model; takes the time as an argument, on a clock that never goes backwards."""

    __slots__ = ("epoch", "failures", "opened_at", "probes", "state")

    def __init__(self) -> None:
        self.state = BreakerState.CLOSED
        self.failures = 0
        self.epoch = 0
        self.opened_at = 0.0
        self.probes = 0

    def state_at(self, settings: BreakerSettings, now: float) -> BreakerState:
        if self.state is BreakerState.OPEN and now - self.opened_at >= settings.recovery_s:
            return BreakerState.HALF_OPEN
        return self.state

    def admit(self, model: str, settings: BreakerSettings, now: float) -> Permit | None:
        state = self.state_at(settings, now)
        if state is BreakerState.CLOSED:
            return Permit(model, self.epoch)
        if state is BreakerState.OPEN:
            return None
        if self.state is BreakerState.OPEN:
            self._enter(BreakerState.HALF_OPEN)
        if self.probes >= settings.half_open_probes:
            return None
        self.probes += 1
        return Permit(model, self.epoch, is_probe=True)

    def report(self, permit: Permit, outcome: CallOutcome, settings: BreakerSettings, now: float) -> None:
        if permit.epoch != self.epoch:
            return
        self.probes -= permit.is_probe
        if outcome is CallOutcome.SUCCESS:
            if self.state is BreakerState.HALF_OPEN:
                self._enter(BreakerState.CLOSED)
            self.failures = 0
        elif outcome is CallOutcome.FAILURE:
            self.failures += 1
            if self.state is BreakerState.HALF_OPEN or self.failures >= settings.failure_threshold:
                self.open(now)

    def open(self, now: float) -> None:
        self._enter(BreakerState.OPEN)
        self.opened_at = now

    def reset(self) -> None:
        self._enter(BreakerState.CLOSED)
        self.failures = 0

    def _enter(self, state: BreakerState) -> None:
        self.state = state
        self.epoch += 1
        self.probes = 0


class MemoryBreakers:
    """Breakers of this process."""

    def __init__(self, settings: BreakerSettings | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings or BreakerSettings()
        self._clock = clock
        self._breakers: dict[str, CircuitBreaker] = {}

    def _of(self, model: str) -> CircuitBreaker:
        found = self._breakers.get(model)
        if found is None:
            if len(self._breakers) >= MAX_BREAKERS:
                self._drop_untroubled()
            found = self._breakers[model] = CircuitBreaker()
        return found

    def _drop_untroubled(self) -> None:
        """Anybody may ask for any name, and a name that never failed in a row needs no memory."""
        for model in [m for m, b in self._breakers.items() if b.state is BreakerState.CLOSED and not b.failures]:
            del self._breakers[model]

    async def admit(self, model: str, within_s: float = LONGEST_CALL_S) -> Permit:
        breaker, now = self._of(model), self._clock()
        permit = breaker.admit(model, self._settings, now)
        if permit is None:
            raise refused(model, self._settings.recovery_s - (now - breaker.opened_at))
        return permit

    def report(self, permit: Permit, outcome: CallOutcome) -> None:
        self._of(permit.model).report(permit, outcome, self._settings, self._clock())

    def is_out(self, model: str) -> bool:
        breaker = self._breakers.get(model)
        if breaker is None or breaker.state is BreakerState.CLOSED:
            return False
        state = breaker.state_at(self._settings, self._clock())
        is_probed = breaker.state is BreakerState.HALF_OPEN and breaker.probes >= self._settings.half_open_probes
        return state is BreakerState.OPEN or is_probed

    def open(self, model: str) -> None:
        self._of(model).open(self._clock())

    def reset(self, model: str) -> None:
        self._of(model).reset()

    def configure(self, settings: BreakerSettings) -> None:
        self._settings = settings

    def status(self, models: Iterable[str]) -> dict[str, dict[str, Any]]:
        now = self._clock()
        shown: dict[str, dict[str, Any]] = {}
        for model in models:
            breaker = self._of(model)
            state = breaker.state_at(self._settings, now)
            left = self._settings.recovery_s - (now - breaker.opened_at) if state is BreakerState.OPEN else 0.0
            shown[model] = {
                "state": state.value,
                "failures": breaker.failures,
                "probes": breaker.probes,
                "recovers_in_s": round(max(0.0, left), 3),
            }
        return shown

    async def aclose(self) -> None:
        return None


def refused(model: str, left_s: float) -> CircuitOpenError:
    if left_s <= 0:
        return CircuitOpenError(f"the model {model!r} failed too often and is being probed; try again in a moment")
    return CircuitOpenError(
        f"the model {model!r} failed too often and is left alone for another {left_s:.0f} s;"
        " reset its breaker to try at once"
    )
