"""Commands beside a workbench that runs with the same home: what it must do itself, and what it is told of."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from multi_llm_comparator.cli.answering import Running, running
from multi_llm_comparator.cli.consoles import messages
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.core.settings import get_settings


@contextlib.asynccontextmanager
async def the_running(why: str) -> AsyncIterator[Running]:
    """The workbench that runs with this home.

    Args:
        why: what is not possible without one, for the message.

    Raises:
        ConfigurationError: none runs.
        KeyRefusedError: it wants a key that is not given.
    """
    async with running() as found:
        if found is None:
            raise ConfigurationError(
                f"no workbench is running with {str(get_settings().home)!r}: {why}; start one: llm-cooperation ui, or "
                "llm-server"
            )
        yield found


async def tell(**changed: Any) -> bool:
    """Have a running workbench take over what this command has changed: see ``POST /api/anew``. Whether one runs and
    has done so; where it refuses, that is said, for the change itself is written already."""
    try:
        async with running() as found:
            if found is None:
                return False
            await found.post("/api/anew", changed)
            return True
    except MultiLLMError as exc:
        messages.print(f"written; the workbench that runs does not take it over before its next start: {exc}")
        return False
