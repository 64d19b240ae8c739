"""One answer of a local model, from its place in memory to its last event."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncGenerator, Callable
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.embeddings import EmbedRequest
from multi_llm_comparator.core.events import (
    ENDS,
    WRITTEN,
    Event,
    Failed,
    Loaded,
    Loading,
    LoadProgressed,
    MemoryMeasured,
    Queued,
)
from multi_llm_comparator.core.exceptions import ModelProcessDied, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.adapters import adapted
from multi_llm_comparator.services.load_options import engine_of, load_options
from multi_llm_comparator.services.machine_shares import MachineShares
from multi_llm_comparator.services.model_process import AnyRequest
from multi_llm_comparator.services.observer import Observer
from multi_llm_comparator.services.residency import Residency
from multi_llm_comparator.services.resident import Resident
from multi_llm_comparator.services.tool_calls import reading_calls, with_tools


class LocalAnswers:
    """Answers in model processes; ``table()`` is the table of models in memory, made when it is first needed."""

    def __init__(self, settings: Settings, table: Callable[[], Residency], shares: MachineShares) -> None:
        self._settings, self._table, self._shares = settings, table, shares

    async def stream(self, model: ModelInfo, request: AnyRequest) -> AsyncGenerator[Event, None]:
        """Answer in a model process; a crash before its first token ever is tried once more with safe settings.

        Raises:
            MultiLLMError: it cannot be loaded.
        """
        if not isinstance(request, EmbedRequest):
            model, request = await adapted(model, request, self._settings.home)
        options = load_options(model, request.config, self._settings.parallel_requests)
        for safe in (False, True):
            waiting = asyncio.Event()
            use = self._table().use(model, engine_of(model), options, waiting.set, safe=safe)
            async with contextlib.AsyncExitStack() as stack:
                entry = asyncio.ensure_future(stack.enter_async_context(use))
                try:
                    if not await _is_done_without(waiting, entry):
                        yield Queued(request_id=request.id)
                    resident = await entry
                finally:
                    await _give_up(entry)
                is_over = False
                async with contextlib.aclosing(self._answer(resident, request)) as events:
                    async for event in events:
                        is_over = isinstance(event, ENDS)
                        yield event
            if is_over:
                return

    async def _answer(self, resident: Resident, request: AnyRequest) -> AsyncGenerator[Event, None]:
        """The answer of one model in memory; without an end where its process crashed early."""
        loaded_before = resident.state == "ready"
        if not loaded_before:
            async for event in self._loading(resident, request.id):
                yield event
        process = await self._table().ready(resident)
        process.on_speed = functools.partial(self._shares.learn, resident)
        self._shares.share_cores()
        self._shares.share_slots(resident)
        yield Loaded(
            request_id=request.id,
            model=resident.model.name,
            seconds=0.0 if loaded_before else resident.load_s,
            memory_bytes=await self._table().measure(resident),
            notes=tuple(resident.info["notes"]),
        )
        observer = Observer()
        resident.decoding += 1
        try:
            request, calls = with_tools(request, resident.info)
            async with contextlib.aclosing(reading_calls(process.generate(request), calls)) as events:
                async for event in events:
                    if isinstance(event, Failed) and await self._crashed_early(resident, event):
                        return
                    for seen in await self._seen_beside(resident, observer, event):
                        yield seen
                    yield event
        finally:
            resident.decoding -= 1

    async def _loading(self, resident: Resident, request_id: str) -> AsyncGenerator[Event, None]:
        """How far the loading is, until it has ended."""
        yield Loading(request_id=request_id, model=resident.model.name)
        async for taken_bytes in self._table().coming(resident):
            yield LoadProgressed(
                request_id=request_id,
                model=resident.model.name,
                seconds=now() - resident.loading_since,
                memory_bytes=taken_bytes,
                expected_bytes=resident.estimate.total_bytes,
            )

    async def _seen_beside(self, resident: Resident, observer: Observer, event: Event) -> list[Event]:
        """What the app alone sees: who else decodes, and the memory that is taken."""
        seen: list[Event] = []
        if isinstance(event, WRITTEN) and (contended := observer.contended(event, *self._shares.beside(resident))):
            seen.append(contended)
        held = await self._table().measure(resident) if observer.is_measuring_due(event) else None
        if held is not None:
            seen.append(MemoryMeasured(request_id=event.request_id, at=event.at, memory_bytes=held))
        return seen

    async def _crashed_early(self, resident: Resident, event: Failed) -> bool:
        """Whether the process crashed with the usual settings before any token ever; then the next loading is safe."""
        process = resident.process
        if process is None or event.error_type != ModelProcessDied.__name__ or resident.options.safe:
            return False
        if process.has_decoded or not process.crashed:
            return False
        await self._table().loader.remember_crash(resident.model)
        return True


async def _is_done_without(waiting: asyncio.Event, entry: asyncio.Future[Resident]) -> bool:
    """Whether ``entry`` is done before ``waiting`` says that it has to wait."""
    waited = asyncio.ensure_future(waiting.wait())
    both: set[asyncio.Future[Any]] = {entry, waited}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waited.cancel()
    return entry.done()


async def _give_up(entry: asyncio.Future[Resident]) -> None:
    """Wait for nothing any more, if it is still waited for."""
    if not entry.done():
        entry.cancel()
        with contextlib.suppress(asyncio.CancelledError, MultiLLMError):
            await entry
