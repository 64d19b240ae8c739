"""Where limits, breakers and budgets are counted: in this process, or in a Redis for many."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.keys import resolve_key
from multi_llm_comparator.groups.breaker import Breakers, MemoryBreakers
from multi_llm_comparator.groups.budgets import DiskLedger, Ledger
from multi_llm_comparator.groups.limits import LimitStore, MemoryLimits

logger = logging.getLogger(__name__)


async def _nothing() -> None:
    return None


@dataclass(frozen=True)
class SharedState:
    """``name`` says where, without any password; ``problem`` why it is not where the configuration wants it."""

    name: str
    limits: LimitStore
    breakers: Breakers
    ledger: Ledger
    aclose: Callable[[], Awaitable[None]] = _nothing
    problem: str | None = None


def open_state(url: str | None, folder: Path, clock: Callable[[], float]) -> SharedState:
    """What the configuration's ``redis_url`` asks for; this process's own state, with books in ``folder``, without one.

    An address that cannot be used is a mistake in the configuration: the app opens all the same and says so.
    """
    own = SharedState("this process", MemoryLimits(clock), MemoryBreakers(clock=clock), DiskLedger(folder / "books"))
    if url is None:
        return own
    try:
        return open_shared_state(url)
    except ConfigurationError as exc:
        problem = f"gateway.redis_url: {exc}; until a restart with the right address every process counts for itself"
        logger.error(problem)
        return replace(own, problem=problem)


def open_shared_state(url: str) -> SharedState:
    """State in the Redis at ``url``, or at the address that the variable in ``env:NAME`` holds.

    Raises:
        ConfigurationError: the variable is not set, or holds no address of a Redis.
    """
    from multi_llm_comparator.groups.redis_breakers import RedisBreakers
    from multi_llm_comparator.groups.redis_ledger import RedisLedger
    from multi_llm_comparator.groups.redis_limits import RedisLimits, connect

    address = resolve_key(url).get_secret_value() if url.startswith("env:") else url
    try:
        client = connect(address)
    except ValueError:
        # Not `from`: what it quotes may be a part of the password.
        raise ConfigurationError("it is no address such as 'redis://host:6379/0'") from None
    return SharedState("redis", RedisLimits(client), RedisBreakers(client), RedisLedger(client), client.aclose)
