"""Limits counted in Redis, the same for every process that uses it."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.groups.background import Background
from multi_llm_comparator.groups.limits import Grant, Level, Refusal
from multi_llm_comparator.groups.redis_scripts import COUNT, PREFIX, RENEW, SETTLE, TAKE

logger = logging.getLogger(__name__)

LEASE_S = 60.0
MAX_CONNECTIONS = 32
ANSWERS_WITHIN_S = 10.0
REFRESH_S = 1.0


def unreachable(what: str, error: Exception) -> InferenceError:
    """Our error for a Redis that does not answer; its own message may name the address, never the password."""
    return InferenceError(f"{what} kept in Redis cannot be reached ({type(error).__name__}); nothing was sent")


def connect(address: str) -> redis.asyncio.Redis:
    """A client that queues for a few connections; the usual pool raises when a crowd wants more than it has."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        address,
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWERS_WITHIN_S,
        socket_timeout=ANSWERS_WITHIN_S,
        socket_connect_timeout=ANSWERS_WITHIN_S,
    )
    return redis.asyncio.Redis.from_pool(pool)


class RedisLimits:
    """A :class:`LimitStore` in Redis. A place in a level is a lease: one of a process that died is free in a minute."""

    def __init__(self, client: redis.asyncio.Redis, *, lease_s: float = LEASE_S) -> None:
        self._lease_s = lease_s
        self._take = client.register_script(TAKE)
        self._settle = client.register_script(SETTLE)
        self._renew = client.register_script(RENEW)
        self._count = client.register_script(COUNT)
        self._held: dict[str, Grant] = {}
        self._renewing: asyncio.Task[Any] | None = None
        self._background = Background()
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._seen_at = 0.0

    async def take(self, levels: tuple[Level, ...], tokens: int) -> Grant | Refusal:
        if not levels:
            return Grant(levels, tokens)
        # The script cannot be called back once it is sent: if who asked is cancelled, what it took is given back.
        asking = self._background.spawn(self._ask(levels, tokens))
        try:
            answer: Grant | Refusal = await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back)
            raise
        except (RedisError, OSError) as exc:
            raise unreachable("the limits", exc) from exc
        return answer

    async def _ask(self, levels: tuple[Level, ...], tokens: int) -> Grant | Refusal:
        grant_id = uuid.uuid4().hex
        arguments: list[Any] = [grant_id, tokens, int(self._lease_s * 1e6)]
        for level in levels:
            arguments += [_or_none(level.concurrency), _or_none(level.rpm), _or_none(level.tpm), level.algorithm]
        answer = await self._take(keys=_keys(levels), args=arguments)
        if answer[0] == 1:
            grant = self._held[grant_id] = Grant(levels, tokens, grant_id)
            self._keep_renewing()
            return grant
        wait_us = answer[1]
        return Refusal(tuple(levels[i - 1].key for i in answer[2:]), wait_us / 1e6 if wait_us >= 0 else None)

    def _give_back(self, asking: asyncio.Task[Grant | Refusal]) -> None:
        if not asking.cancelled() and asking.exception() is None and isinstance(asking.result(), Grant):
            self.settle(asking.result(), 0, made=False)  # type: ignore[arg-type]

    def settle(self, grant: Grant, tokens: int, *, made: bool = True) -> None:
        grant_id, grant.store_data = grant.store_data, None
        if grant_id is None:
            return
        self._held.pop(grant_id, None)
        arguments: list[Any] = [grant_id, grant.tokens, tokens, int(made)]
        for level in grant.levels:
            arguments += [_or_none(level.rpm), _or_none(level.tpm), level.algorithm]
        self._background.spawn(self._settle(keys=_keys(grant.levels), args=arguments))

    def _keep_renewing(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.get_running_loop().create_task(self._renew_held())

    async def _renew_held(self) -> None:
        """Long answers outlast a lease: renew what is held, until nothing is."""
        while self._held:
            await asyncio.sleep(self._lease_s / 3)
            pairs = [(key, grant_id) for grant_id, grant in self._held.items() for key in _keys(grant.levels)]
            if pairs:
                keys = [key for key, _ in pairs]
                ids = [grant_id for _, grant_id in pairs]
                try:
                    await self._renew(keys=keys, args=[*ids, int(self._lease_s * 1e6)])
                except (RedisError, OSError) as exc:
                    logger.warning("places in the limits could not be renewed: %s", exc)

    def status(self, levels: Iterable[Level]) -> dict[str, dict[str, Any]]:
        """As last seen; looking asks Redis in the background for the next look."""
        levels = list(levels)
        if levels and time.monotonic() - self._seen_at > REFRESH_S and _has_loop():
            self._seen_at = time.monotonic()
            self._background.spawn(self.refresh(levels))
        return {level.key: self._level_status(level) for level in levels}

    async def refresh(self, levels: Iterable[Level]) -> None:
        """Ask Redis what is counted now."""
        levels = list(levels)
        arguments = [x for level in levels for x in (_or_none(level.rpm), _or_none(level.tpm), level.algorithm)]
        flat = await self._count(keys=_keys(levels), args=arguments)
        for number, level in enumerate(levels):
            self._seen[level.key] = (flat[3 * number], flat[3 * number + 1], flat[3 * number + 2])

    def _level_status(self, level: Level) -> dict[str, Any]:
        active, requests, tokens = self._seen.get(level.key, (0, 0, 0))
        return {
            "active": active,
            "concurrency_limit": level.concurrency,
            "requests_in_window": requests,
            "rpm_limit": level.rpm,
            "tokens_in_window": tokens,
            "tpm_limit": level.tpm,
            "algorithm": level.algorithm,
        }

    def forget_all_but(self, keys: set[str]) -> None:
        """Redis forgets by itself: every key there has an end."""
        self._seen = {key: seen for key, seen in self._seen.items() if key in keys}

    async def aclose(self) -> None:
        await end_tasks(self._renewing)
        await self._background.drain()


def _keys(levels: Iterable[Level]) -> list[str]:
    return [f"{PREFIX}limit:{level.key}" for level in levels]


def _or_none(limit: int | None) -> int:
    return -1 if limit is None else limit


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
