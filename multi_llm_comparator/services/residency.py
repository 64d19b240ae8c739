"""Which models are in memory: admits, loads, shares, evicts.

A model is resident under a key made of its id and its load options: four panes on one model share one process, and the
same model in 4 bit beside itself in 16 bit is two. One lock guards the table; loading itself happens outside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.memory_manager import Footprint, MemoryEstimate, MemoryManager
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.safe_settings import SafeSettings
from multi_llm_comparator.services.spare import Spare

ResidentState = Literal["loading", "ready", "failed"]
# While it waits for memory, a request looks again at least this often: another program may have freed some.
RECHECK_S = 2.0

log = logging.getLogger(__name__)


@dataclass
class Resident:
    """One model in memory, or on its way there."""

    key: str
    model: ModelInfo
    engine: str
    options: LoadOptions
    estimate: MemoryEstimate
    state: ResidentState = "loading"
    process: ModelProcess | None = None
    loading: asyncio.Task[None] | None = None
    load_s: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    error: MultiLLMError | None = None
    active: int = 0
    decoding: int = 0
    idle_since: float = field(default_factory=now)

    @property
    def is_usable(self) -> bool:
        return self.state == "loading" or (self.process is not None and self.process.is_alive)

    @property
    def device(self) -> str:
        return str(self.info.get("device") or self.estimate.device)


class Residency:
    """The table of resident models. Bound to the event loop it is first used on."""

    def __init__(self, memory: MemoryManager, settings: Settings, on_change: Callable[[], None]) -> None:
        self._memory = memory
        self._settings = settings
        self._on_change = on_change
        self._safe = SafeSettings(settings.home / "safe_settings.json")
        self._table: dict[str, Resident] = {}
        self._changed = asyncio.Condition()
        self.spare = Spare(enabled=settings.spare_process)

    def residents(self) -> list[Resident]:
        return list(self._table.values())

    def memory_bytes(self, resident: Resident) -> int | None:
        """Measured memory of a resident model, or None while that is not known."""
        if resident.process is None or not resident.process.is_alive:
            return None
        return self._memory.process_bytes(resident.process.pid, resident.device)

    @contextlib.asynccontextmanager
    async def use(
        self, model: ModelInfo, engine: str, options: LoadOptions, on_wait: Callable[[], None], *, safe: bool = False
    ) -> AsyncIterator[Resident]:
        """Hold a model in memory while the block runs; on entry it may still be loading (see :meth:`ready`).

        ``on_wait`` is called once if the request has to wait for memory.

        Raises:
            InsufficientMemoryError: it can never fit under the limit.
        """
        options = replace(options, safe=safe or self._safe.needed(model))
        resident = await self._admit(model, engine, options, on_wait)
        try:
            yield resident
        finally:
            resident.active -= 1
            resident.idle_since = now()
            async with self._changed:
                if not resident.is_usable:
                    await self._drop(resident)
                self._changed.notify_all()
            self._on_change()

    async def ready(self, resident: Resident) -> ModelProcess:
        """Wait until the model has been loaded.

        Raises:
            MultiLLMError: why it could not be.
        """
        if resident.loading is not None:
            # Shielded: one pane that is stopped must not end the loading that three others wait for.
            await asyncio.shield(resident.loading)
        if resident.error is not None:
            raise resident.error
        assert resident.process is not None
        return resident.process

    async def unload(self, model_id: str) -> None:
        """Unload a model in all its forms, at once; its running requests fail."""
        async with self._changed:
            for resident in [r for r in self._table.values() if r.model.id == model_id]:
                await self._drop(resident)
            self._changed.notify_all()
        self._on_change()

    async def remember_crash(self, resident: Resident) -> None:
        """Use safe settings for this model from now on."""
        log.warning("%r crashed with the usual settings; using safe ones from now on", resident.model.name)
        await asyncio.to_thread(self._safe.remember, resident.model)

    async def aclose(self) -> None:
        await self.spare.aclose()
        async with self._changed:
            for resident in list(self._table.values()):
                await self._drop(resident)

    async def _admit(
        self, model: ModelInfo, engine: str, options: LoadOptions, on_wait: Callable[[], None]
    ) -> Resident:
        key = f"{model.id}:{options!r}"
        async with self._changed:
            told = False
            while True:
                resident = self._table.get(key)
                if resident is not None and not resident.is_usable:
                    await self._drop(resident)
                    resident = None
                resident = resident or await self._make_room(key, model, engine, options)
                if resident is not None:
                    resident.active += 1
                    return resident
                if not told:
                    on_wait()
                    told = True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), RECHECK_S)

    async def _make_room(self, key: str, model: ModelInfo, engine: str, options: LoadOptions) -> Resident | None:
        """Start loading if it fits, after unloading what is idle; None means: wait for a busy one to end."""
        estimate = self._memory.estimate(model, options)
        footprints = [self._footprint(r) for r in self._table.values()]
        try:
            leaving = self._memory.plan_load(estimate, footprints)
        except InsufficientMemoryError:
            if self._memory.must_wait(estimate, footprints):
                return None
            raise
        for name in leaving:
            await self._drop(self._table[name])
        resident = Resident(key, model, engine, options, estimate)
        resident.loading = asyncio.create_task(self._load(resident))
        self._table[key] = resident
        return resident

    def _footprint(self, resident: Resident) -> Footprint:
        measured = self.memory_bytes(resident) if resident.state == "ready" else None
        return Footprint(
            key=resident.key,
            device=resident.device,
            bytes=max(measured or 0, resident.estimate.total_bytes if measured is None else 0),
            idle_since=None if resident.active or resident.state == "loading" else resident.idle_since,
        )

    async def _load(self, resident: Resident) -> None:
        """Load; after a crash, once more with safe settings. Never raises: the outcome is in the resident."""
        try:
            await self._attempt(resident)
            if resident.error is not None and resident.process is not None and resident.process.crashed:
                await self.remember_crash(resident)
                resident.options = replace(resident.options, safe=True)
                await self._attempt(resident)
        finally:
            resident.state = "ready" if resident.error is None else "failed"
            self._on_change()

    async def _attempt(self, resident: Resident) -> None:
        resident.error = None
        start = now()
        try:
            process = resident.process = await self.spare.take(resident.engine)
            loaded = await process.load(
                resident.model.name,
                resident.engine,
                resident.model.path,
                resident.options,
                timeout_s=self._settings.load_timeout_s,
            )
        except MultiLLMError as exc:
            resident.error = exc if isinstance(exc, ModelLoadError) else ModelLoadError(str(exc))
            if resident.process is not None:
                await resident.process.close()
            return
        resident.info, resident.load_s = loaded["info"], now() - start
        process.watch(self._settings.hang_timeout_s)

    async def _drop(self, resident: Resident) -> None:
        """Take a model out of the table and end its process; the lock is held."""
        if self._table.get(resident.key) is resident:
            del self._table[resident.key]
        if resident.loading is not None and not resident.loading.done():
            resident.loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await resident.loading
        if resident.process is not None:
            await resident.process.close()
        self._memory.cleanup()
