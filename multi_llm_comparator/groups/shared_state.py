"""Where limits, breakers and budgets are counted: in this process, or in a Redis for many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from multi_llm_comparator.core.keys import resolve_key
from multi_llm_comparator.groups.breaker import Breakers
from multi_llm_comparator.groups.budgets import Ledger
from multi_llm_comparator.groups.limits import LimitStore


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class SharedState:
    """``name`` says where, without any password."""

    name: str
    limits: LimitStore
    breakers: Breakers
    ledger: Ledger
    aclose: Callable[[], Awaitable[None]] = _nothing


def open_shared_state(url: str) -> SharedState:
    """State in the Redis at ``url``, or at the address that the variable in ``env:NAME`` holds."""
    from multi_llm_comparator.groups.redis_breakers import RedisBreakers
    from multi_llm_comparator.groups.redis_ledger import RedisLedger
    from multi_llm_comparator.groups.redis_limits import RedisLimits, connect

    address = resolve_key(url).get_secret_value() if url.startswith("env:") else url
    client = connect(address)
    return SharedState("redis", RedisLimits(client), RedisBreakers(client), RedisLedger(client), client.aclose)
