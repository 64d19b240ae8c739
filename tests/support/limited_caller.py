"""A process that makes calls under limits kept in Redis: prints how many passed and how many were refused.

Arguments: the Redis URL and the number of calls, made once under 100 requests a minute, and once under 1,000 tokens a
minute at 10 tokens each.
"""

from __future__ import annotations

import asyncio
import sys

from multi_llm_comparator.groups.limits import Grant, Level
from multi_llm_comparator.groups.redis_limits import RedisLimits, connect

LEVELS = (Level("by requests", concurrency=1000, rpm=100), Level("by tokens", concurrency=1000, tpm=1000))


async def main(url: str, calls: int) -> None:
    client = connect(url)
    limits = RedisLimits(client)
    # All processes begin together: each says that it is here and waits for the others.
    await client.incr("here")
    while int(await client.get("here") or 0) < int(await client.get("expected") or 0):
        await asyncio.sleep(0.005)

    async def call(level: Level) -> bool:
        got = await limits.take((level,), 10)
        if not isinstance(got, Grant):
            return False
        await asyncio.sleep(0.001)
        limits.settle(got, 10)
        return True

    for level in LEVELS:
        passed = sum(await asyncio.gather(*(call(level) for _ in range(calls))))
        sys.stdout.write(f"{passed} {calls - passed} ")
    await limits.aclose()
    await client.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
