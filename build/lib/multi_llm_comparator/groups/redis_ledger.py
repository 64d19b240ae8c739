"""Budgets booked in Redis, for all processes together."""

from __future__ import annotations

import redis.asyncio
from redis.exceptions import RedisError

from multi_llm_comparator.groups.background import Background
from multi_llm_comparator.groups.budgets import KEEP_S, Purse
from multi_llm_comparator.groups.redis_limits import unreachable
from multi_llm_comparator.groups.redis_scripts import BOOK, PREFIX

MAX_SEEN = 10_000


class RedisLedger:
    """A :class:`Ledger` in Redis. What a cancelled caller had booked stays booked: safe, and gone with its day."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._book = client.register_script(BOOK)
        self._seen: dict[str, int] = {}
        self._background = Background()

    async def book(self, purses: tuple[Purse, ...], micro_usd: int) -> Purse | None:
        limits = [purse.limit_micro_usd for purse in purses]
        try:
            answer = await self._book(keys=[_key(p.key) for p in purses], args=[micro_usd, int(KEEP_S), *limits])
        except (RedisError, OSError) as exc:
            raise unreachable("the budgets", exc) from exc
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        for purse, spent in zip(purses, answer[1:], strict=True):
            self._seen[purse.key] = spent
        return purses[answer[0] - 1] if answer[0] else None

    def correct(self, purses: tuple[Purse, ...], difference_micro_usd: int) -> None:
        for purse in purses:
            self._background.spawn(self._add(purse.key, difference_micro_usd))

    async def _add(self, key: str, micro_usd: int) -> None:
        self._seen[key] = await self._client.incrby(_key(key), micro_usd)

    def spent(self, key: str) -> int:
        """As last seen by this process."""
        return self._seen.get(key, 0)

    async def aclose(self) -> None:
        await self._background.drain()


def _key(key: str) -> str:
    return f"{PREFIX}budget:{key}"
