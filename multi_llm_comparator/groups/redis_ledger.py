"""Budgets booked in Redis, for all processes together."""

from __future__ import annotations

import redis.asyncio
from redis.exceptions import RedisError

from multi_llm_comparator.groups.background import Background
from multi_llm_comparator.groups.budgets import KEEP_S, Allowance
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

    async def book(self, allowances: tuple[Allowance, ...], micro_usd: int) -> Allowance | None:
        limits = [allowance.limit_micro_usd for allowance in allowances]
        try:
            answer = await self._book(keys=[_key(p.key) for p in allowances], args=[micro_usd, int(KEEP_S), *limits])
        except (RedisError, OSError) as exc:
            raise unreachable("the budgets", exc) from exc
        if len(self._seen) >= MAX_SEEN:
            self._seen.clear()
        for allowance, spent in zip(allowances, answer[1:], strict=True):
            self._seen[allowance.key] = spent
        return allowances[answer[0] - 1] if answer[0] else None

    def correct(self, allowances: tuple[Allowance, ...], difference_micro_usd: int) -> None:
        for allowance in allowances:
            self._background.spawn(self._add(allowance.key, difference_micro_usd))

    async def _add(self, key: str, micro_usd: int) -> None:
        self._seen[key] = await self._client.incrby(_key(key), micro_usd)

    def spent(self, key: str) -> int:
        """As last seen by this process."""
        return self._seen.get(key, 0)

    async def aclose(self) -> None:
        await self._background.drain()


def _key(key: str) -> str:
    return f"{PREFIX}budget:{key}"
