"""Breakers whose state is in Redis: what one process learns, all know, and all together send the allowed probes."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from multi_llm_comparator.groups.background import Background
from multi_llm_comparator.groups.breaker import LONGEST_CALL_S, BreakerState, CallOutcome, Permit, refused
from multi_llm_comparator.groups.config import BreakerSettings
from multi_llm_comparator.groups.redis_limits import unreachable
from multi_llm_comparator.groups.redis_scripts import BREAKER_ADMIT, BREAKER_REPORT, BREAKER_SET, PREFIX

# A probe is reported when its call ends; its lease, for a process that died, must not end before.
LEASE_MARGIN_S = 10.0
# How long a refusal is believed without asking again, and the most that another process's reset takes to be seen.
BELIEVED_S = 1.0
MAX_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """What Redis said last."""

    state: BreakerState
    failures: int
    left_s: float
    probes: int
    at: float


class RedisBreakers:
    """The :class:`Breakers` of many processes. The clock is the Redis server's."""

    def __init__(self, client: redis.asyncio.Redis, settings: BreakerSettings | None = None) -> None:
        self._settings = settings or BreakerSettings()
        self._admit = client.register_script(BREAKER_ADMIT)
        self._report = client.register_script(BREAKER_REPORT)
        self._set = client.register_script(BREAKER_SET)
        self._seen: dict[str, _Seen] = {}
        self._background = Background()

    async def admit(self, model: str, within_s: float = LONGEST_CALL_S) -> Permit:
        # As with limits, a sent script cannot be called back: a cancelled caller's probe is handed back.
        asking = self._background.spawn(self._ask(model, within_s))
        try:
            permit: Permit | None = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back)
            raise
        except (RedisError, OSError) as exc:
            raise unreachable("the circuit breakers", exc) from exc
        if permit is None:
            raise refused(model, self._seen[model].left_s)
        return permit

    async def _ask(self, model: str, within_s: float) -> Permit | None:
        probe_id = uuid.uuid4().hex
        lease_us = int((max(0.0, within_s) + LEASE_MARGIN_S) * 1e6)
        answer = await self._run(self._admit, model, probe_id, lease_us)
        if answer[0] != 1:
            return None
        return Permit(model, answer[1], is_probe=answer[2] == 1, probe_id=probe_id)

    def _give_back(self, asking: asyncio.Task[Permit | None]) -> None:
        if not asking.cancelled() and asking.exception() is None and (permit := asking.result()) is not None:
            self.report(permit, CallOutcome.UNKNOWN)

    def report(self, permit: Permit, outcome: CallOutcome) -> None:
        if outcome is CallOutcome.UNKNOWN and not permit.is_probe:
            return
        probe_id = permit.probe_id if permit.is_probe else ""
        self._background.spawn(self._run(self._report, permit.model, probe_id, permit.epoch, outcome.value))

    async def _run(self, script: Any, model: str, *arguments: Any) -> list[Any]:
        settings = self._settings
        given = [settings.failure_threshold, int(settings.recovery_s * 1e6), settings.half_open_probes, *arguments]
        answer: list[Any] = await script(keys=[f"{PREFIX}breaker:{model}"], args=given)
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        state = BreakerState(answer[3].decode() if isinstance(answer[3], bytes) else answer[3])
        self._seen[model] = _Seen(state, answer[4], answer[5] / 1e6, answer[6], time.monotonic())
        return answer

    def is_out(self, model: str) -> bool:
        seen = self._seen.get(model)
        if seen is None or seen.state is not BreakerState.OPEN:
            return False
        return time.monotonic() - seen.at < min(seen.left_s, BELIEVED_S)

    def open(self, model: str) -> None:
        self._background.spawn(self._run(self._set, model, "open"))

    def reset(self, model: str) -> None:
        self._background.spawn(self._run(self._set, model, "closed"))

    def configure(self, settings: BreakerSettings) -> None:
        self._settings = settings

    def status(self, models: Iterable[str]) -> dict[str, dict[str, Any]]:
        """As last seen; looking asks Redis in the background for the next look."""
        shown: dict[str, dict[str, Any]] = {}
        for model in models:
            seen = self._seen.get(model)
            if seen is None or time.monotonic() - seen.at > BELIEVED_S:
                self._look(model)
            seen = seen or _Seen(BreakerState.CLOSED, 0, 0.0, 0, 0.0)
            shown[model] = {
                "state": seen.state.value,
                "failures": seen.failures,
                "probes": seen.probes,
                "recovers_in_s": round(seen.left_s, 3),
            }
        return shown

    def _look(self, model: str) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        self._background.spawn(self._run(self._set, model, ""))

    async def aclose(self) -> None:
        await self._background.drain()
