"""Several things at once, of which none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at once, and give their results in order. What one raises ends the others, as does cancelling
    this; it returns when all have ended."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await end_tasks(*tasks)


async def end_tasks(*tasks: asyncio.Future[Any] | None) -> None:
    """Cancel tasks and return when all have ended, whatever they raise. None stands for one that never began."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)
