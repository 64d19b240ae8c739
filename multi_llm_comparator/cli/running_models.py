"""Models of the workbench that is running, for commands that otherwise work by themselves: none is loaded twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial

from multi_llm_comparator.cli.answering import Running, running
from multi_llm_comparator.cli.consoles import messages
from multi_llm_comparator.core.events import (
    Attempted,
    AttemptFailed,
    CacheHit,
    Cost,
    Event,
    Failed,
    FellBack,
    Retrying,
)
from multi_llm_comparator.core.exceptions import ModelNotFoundError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, TextSource
from multi_llm_comparator.headless import COMMAND_LINE, opened_alone, scanned_models
from multi_llm_comparator.wiring import Services

# The command has a gateway of its own, which tells these for itself.
_OF_THE_GATEWAY = (Attempted, AttemptFailed, Retrying, FellBack, CacheHit, Cost)


class RunningModels:
    """A :class:`TextSource`: local models, asked of a workbench that runs. One that it does not have is loaded here.

    Args:
        there: the workbench.
        here: answers for models that it does not have.
    """

    def __init__(self, there: Running, here: TextSource) -> None:
        self._there, self._here = there, here
        self._absent: set[str] = set()

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """See :meth:`TextSource.stream`."""
        if target not in self._absent:
            has_begun = False
            try:
                async with contextlib.aclosing(self._there.events(target, request)) as events:
                    async for event in events:
                        if isinstance(event, _OF_THE_GATEWAY):
                            continue
                        if isinstance(event, Failed) and event.error_type == ModelNotFoundError.__name__:
                            raise ModelNotFoundError(event.message)
                        has_begun = True
                        yield event
                return
            except ModelNotFoundError as exc:
                if has_begun:
                    yield Failed.of(request.id, exc)
                    return
                self._absent.add(target)
                messages.print(f"{self._there.where} does not have {target!r}; it is loaded here", style="dim")
            except MultiLLMError as exc:
                yield Failed.of(request.id, exc)
                return
        async with contextlib.aclosing(self._here.stream(target, request)) as own:
            async for event in own:
                yield event


@contextlib.asynccontextmanager
async def models_elsewhere(*, alone: bool) -> AsyncIterator[Running | None]:
    """The workbench whose models a command asks; None where it loads its own: nobody runs with this home, or ``alone``.

    Raises:
        KeyRefusedError: it wants a key that is not given.
    """
    async with running(alone=alone) as found:
        if found is not None:
            messages.print(f"models are asked at {found.where}", style="dim")
        yield found


@contextlib.asynccontextmanager
async def everything(*, alone: bool) -> AsyncIterator[Services]:
    """What a command works with that asks anybody by name: models, groups, plans and cooperations. Local models are
    those of the workbench that runs, if one does and the command is not ``alone``.

    Raises:
        KeyRefusedError: it wants a key that is not given.
    """
    models = await asyncio.to_thread(scanned_models)
    async with models_elsewhere(alone=alone) as there:
        local = None if there is None else partial(RunningModels, there)
        async with opened_alone(models, local, origin=COMMAND_LINE) as services:
            yield services
