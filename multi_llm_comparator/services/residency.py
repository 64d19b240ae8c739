"""Which models are in memory: admits, shares, evicts.

A model is resident under a key made of its id, its load options and its files' sizes and times: four panes on one model
share one process, the same model in 4 bit beside itself in 16 bit is two, and one whose files were replaced is loaded
anew. One lock guards the table; loading itself happens outside it. Who goes first is decided by
:mod:`services.memory_line`, what stays by :mod:`services.keeping`; :mod:`services.loader` brings it into a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.keeping import Keeping
from multi_llm_comparator.services.loader import Loader
from multi_llm_comparator.services.memory_line import MemoryLine
from multi_llm_comparator.services.memory_manager import Footprint, MemoryEstimate, MemoryManager
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.resident import Resident, key_of
from multi_llm_comparator.services.scan.fingerprint import model_stamps

# While it waits for memory, a request looks again at least this often: another program may have freed some.
RECHECK_S = 2.0
# So long a model is loaded further after the last one who wanted it has stopped.
GIVEN_UP_AFTER_S = 5.0
# How often who waits for a model that loads is told how far it is.
PROGRESS_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Residency:
    """The table of resident models. Bound to the event loop it is first used on."""

    def __init__(
        self, memory: MemoryManager, settings: Settings, on_change: Callable[[], None], keeping: Keeping | None = None
    ) -> None:
        self._memory = memory
        self._on_change = on_change
        self.keeping = keeping or Keeping(settings)
        self.line = MemoryLine(settings.max_waiting, settings.model_patience_s)
        self._sweep_at: asyncio.TimerHandle | None = None
        self._table: dict[str, Resident] = {}
        self._changed = asyncio.Condition()
        self._asking = 0
        self._aside: set[asyncio.Task[None]] = set()
        self.loader = Loader(memory, settings)

    def residents(self) -> list[Resident]:
        return list(self._table.values())

    def follow(self, settings: Settings) -> None:
        """Take new settings; how models are loaded and watched stays as it was."""
        self.keeping.follow(settings)
        self.line.most, self.line.patience_s = settings.max_waiting, settings.model_patience_s
        self.plan_sweep()

    def memory_bytes(self, resident: Resident) -> int | None:
        """Measured memory of a resident model, or None while that is not known."""
        if resident.process is None or not resident.process.is_alive:
            return None
        template = resident.process.template
        if template is None:
            return self._memory.process_bytes(resident.process.pid, resident.device)
        return self._memory.forked_bytes(resident.process.pid, template, self._forks(template))

    def _forks(self, template: int) -> int:
        """How many models share the memory of this template."""
        alive = (r.process for r in self._table.values() if r.process is not None and r.process.is_alive)
        return sum(process.template == template for process in alive)

    async def measure(self, resident: Resident) -> int | None:
        """The same without keeping the loop waiting: a GPU's driver takes its time to answer, so does shared memory."""
        if resident.device.startswith("cuda") or (resident.process and resident.process.template):
            return await asyncio.to_thread(self.memory_bytes, resident)
        return self.memory_bytes(resident)

    @contextlib.asynccontextmanager
    async def use(
        self, model: ModelInfo, engine: str, options: LoadOptions, on_wait: Callable[[], None], *, safe: bool = False
    ) -> AsyncIterator[Resident]:
        """Hold a model in memory while the block runs; on entry it may still be loading (see :meth:`ready`).

        ``on_wait`` is called once if the request has to wait for memory.

        Raises:
            InsufficientMemoryError: it can never fit under the limit.
        """
        self._asking += 1
        self.loader.spare.work()
        try:
            resident = await self._admit(model, engine, replace(options, safe=safe), on_wait)
            try:
                yield resident
            finally:
                await self._leave(resident)
        finally:
            self._asking -= 1
            if not self._asking:
                self.loader.spare.rest()

    async def _leave(self, resident: Resident) -> None:
        resident.active -= 1
        resident.idle_since = now()
        async with self._changed:
            if not resident.is_usable:
                await self._drop(resident)
            self._changed.notify_all()
        if self._is_unwanted(resident):
            self._do_aside(self._give_up(resident))
        self.plan_sweep()
        self._on_change()

    def _do_aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)

    def plan_sweep(self) -> None:
        """Have models unloaded when they have been idle for long enough; asked again whenever that may have changed."""
        if self._sweep_at is not None:
            self._sweep_at.cancel()
            self._sweep_at = None
        ends = [end for resident in self._table.values() if (end := self._idle_end(resident)) is not None]
        if ends:
            delay_s = max(0.0, min(ends) - now())
            self._sweep_at = asyncio.get_running_loop().call_later(delay_s, lambda: self._do_aside(self._sweep()))

    def _idle_end(self, resident: Resident) -> float | None:
        """When this model will have been idle for long enough; None: as long as others do not need its place."""
        after_s = self.keeping.idle_unload_s(resident.model)
        if after_s is None or resident.active or resident.state != "ready":
            return None
        return resident.idle_since + after_s

    async def _sweep(self) -> None:
        async with self._changed:
            for resident in list(self._table.values()):
                end = self._idle_end(resident)
                if end is not None and end <= now():
                    log.info("%r is unloaded: nobody has asked for it for long", resident.model.name)
                    await self._drop(resident)
            self._changed.notify_all()
        self.plan_sweep()
        self._on_change()

    def _is_unwanted(self, resident: Resident) -> bool:
        """Whether it is being loaded although nobody waits for it any more."""
        return resident.state == "loading" and not resident.active and self._table.get(resident.key) is resident

    async def _give_up(self, resident: Resident) -> None:
        """Stopping a question stops the loading too, after a moment in which one may ask again."""
        await asyncio.sleep(GIVEN_UP_AFTER_S)
        async with self._changed:
            if self._is_unwanted(resident):
                log.info("%r is not loaded any further: nobody waits for it", resident.model.name)
                await self._drop(resident)
                self._changed.notify_all()
        self._on_change()

    async def coming(self, resident: Resident) -> AsyncIterator[int]:
        """What a model that is being loaded has taken of memory by now, in bytes, each second until it is loaded."""
        while resident.loading is not None:
            await asyncio.wait({resident.loading}, timeout=PROGRESS_EVERY_S)
            if resident.loading.done():
                return
            yield await self.measure(resident) or 0

    async def ready(self, resident: Resident) -> ModelProcess:
        """Wait until the model has been loaded.

        Raises:
            MultiLLMError: why it could not be.
        """
        if resident.loading is not None:
            # Only waited for: a pane that is stopped must not end the loading for three others, nor may a loading that
            # is called off cancel who waits for it.
            await asyncio.wait({resident.loading})
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

    async def aclose(self) -> None:
        if self._sweep_at is not None:
            self._sweep_at.cancel()
        for task in self._aside:
            task.cancel()
        async with self._changed:
            for resident in list(self._table.values()):
                await self._drop(resident)
        await self.loader.spare.aclose()

    async def _admit(
        self, model: ModelInfo, engine: str, options: LoadOptions, on_wait: Callable[[], None]
    ) -> Resident:
        async with self._changed:
            place = None
            try:
                while True:
                    # Looked up anew each time: meanwhile the model may have crashed, or its files may be others.
                    options = replace(options, safe=options.safe or self.loader.needs_safe_settings(model))
                    files = f"{hash(model_stamps(model)):x}"
                    key = key_of(model, options, files)
                    if place is not None:
                        place.key = key
                    resident = await self._enter(model, engine, options, files)
                    if resident is not None:
                        resident.active += 1
                        return resident
                    if place is None:
                        place = self.line.join(key, model.name, now())
                        on_wait()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._changed.wait(), RECHECK_S)
            finally:
                if place is not None:
                    self.line.leave(place)
                    # Who stood back for this one may go on.
                    self._changed.notify_all()

    async def _enter(self, model: ModelInfo, engine: str, options: LoadOptions, files: str) -> Resident | None:
        """The model in memory, or on its way there; None: it is to be waited for."""
        key = key_of(model, options, files)
        resident = self._table.get(key)
        # One that stays anyway makes no room for others by standing back.
        stays = resident is not None and self.keeping.is_pinned(model)
        if not stays and not self.line.may_enter(key, now()):
            return None
        if resident is not None and not resident.is_usable:
            await self._drop(resident)
            resident = None
        return resident or await self._make_room(model, engine, options, files)

    async def _make_room(self, model: ModelInfo, engine: str, options: LoadOptions, files: str) -> Resident | None:
        """Start loading if it fits, after unloading what is idle; None means: wait for a busy one to end."""
        for outdated in [r for r in self._table.values() if (r.model.id, r.options) == (model.id, options)]:
            if not outdated.active:
                await self._drop(outdated)
        estimate = self._memory.estimate(model, options)
        may_change = self.line.may_change(key_of(model, options, files))
        while leaving := self._leaving(estimate):
            if not may_change:
                return None
            for name in leaving:
                await self._drop(self._table[name])
        if leaving is None:
            return None
        resident = Resident(model, engine, options, files, estimate)
        resident.loading = asyncio.create_task(self._load(resident))
        self._table[resident.key] = resident
        return resident

    def _leaving(self, estimate: MemoryEstimate) -> tuple[str, ...] | None:
        """Which models must be unloaded for one more; None: it must wait for a busy one to end.

        To be asked again once they are: what a fork shared with others is not free then.
        """
        footprints = [self._footprint(r) for r in self._table.values()]
        try:
            return self._memory.plan_load(estimate, footprints)
        except InsufficientMemoryError:
            if self._memory.must_wait(estimate, footprints):
                return None
            raise

    def _footprint(self, resident: Resident) -> Footprint:
        measured, expected = self.memory_bytes(resident), resident.estimate.total_bytes
        is_loading = resident.state == "loading"
        return Footprint(
            key=resident.key,
            device=resident.device,
            bytes=expected if is_loading or measured is None else measured,
            idle_since=None if resident.active or is_loading else resident.idle_since,
            coming_bytes=max(0, expected - (measured or 0)) if is_loading else 0,
            is_pinned=self.keeping.is_pinned(resident.model),
        )

    async def _load(self, resident: Resident) -> None:
        """Load; after a crash, once more with safe settings. The outcome is in the resident; only a drop cancels it."""
        try:
            await self.loader.load(resident)
            crashed = resident.error is not None and resident.process is not None and resident.process.crashed
            if crashed and self._make_safe(resident):
                await self.loader.remember_crash(resident.model)
                await self.loader.load(resident)
        finally:
            resident.state = "ready" if resident.error is None else "failed"
            self.plan_sweep()
            self._on_change()

    def _make_safe(self, resident: Resident) -> bool:
        """Change to safe settings, under whose key later requests look for the model.

        False if it has them already, or another does by now, which the next request will find, or it was unloaded.
        """
        options = replace(resident.options, safe=True)
        if self._table.get(resident.key) is not resident:
            return False
        if key_of(resident.model, options, resident.files) in self._table:
            return False
        del self._table[resident.key]
        resident.options, resident.estimate = options, self._memory.estimate(resident.model, options)
        self._table[resident.key] = resident
        return True

    async def _drop(self, resident: Resident) -> None:
        """Take a model out of the table and end its process; the lock is held."""
        if self._table.get(resident.key) is resident:
            del self._table[resident.key]
        if resident.process is not None:
            resident.process.kill()
        if resident.loading is not None and not resident.loading.done():
            # Said before: whoever waits for the loading wakes when it ends.
            reason = f"{resident.model.name!r} was unloaded while it was being loaded; ask again to load it"
            resident.state, resident.error = "failed", ModelLoadError(reason)
            resident.loading.cancel()
            await asyncio.wait({resident.loading})
        if resident.process is not None:
            await resident.process.close()
        # No garbage is looked for: the model's memory went with its process, and all other models would wait meanwhile.
        self._memory.measure_anew()
