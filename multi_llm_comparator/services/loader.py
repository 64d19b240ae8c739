"""Brings a model into a process of its own, and knows which models need safe settings for that."""

from __future__ import annotations

import asyncio
import logging

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ModelLoadError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.load_notes import load_notes
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.resident import Resident
from multi_llm_comparator.services.safe_settings import SafeSettings
from multi_llm_comparator.services.spare import Spare

log = logging.getLogger(__name__)


class Loader:
    """Loads residents; ``spare`` has the processes that PyTorch models start from."""

    def __init__(self, memory: MemoryManager, settings: Settings) -> None:
        self._memory, self._settings = memory, settings
        self._safe = SafeSettings(settings.home / "safe_settings.json")
        self.spare = Spare(enabled=settings.spare_process, load_timeout_s=settings.load_timeout_s)

    def needs_safe_settings(self, model: ModelInfo) -> bool:
        """Whether it crashed on this machine with the usual ones."""
        return self._safe.needed(model)

    async def remember_crash(self, model: ModelInfo) -> None:
        """Use safe settings for this model from now on."""
        log.warning("%r crashed with the usual settings; using safe ones from now on", model.name)
        self._safe.remember(model)
        try:
            await asyncio.to_thread(self._safe.save)
        except OSError as exc:
            log.warning("that could not be written down (%s), so it holds until the app ends", exc)

    async def load(self, resident: Resident) -> None:
        """Load it once, with the options it has. The outcome is in the resident: a process, or an error."""
        resident.error = None
        start = now()
        try:
            process = resident.process = await self.spare.take(resident.engine, safe=resident.options.safe)
            loaded = await process.load(
                resident.model.name,
                resident.engine,
                resident.model.path,
                resident.options,
                timeout_s=self._settings.load_timeout_s,
                max_bytes=self._memory.process_limit_bytes(resident.estimate, resident.options),
            )
        except MultiLLMError as exc:
            resident.error = exc if isinstance(exc, ModelLoadError) else ModelLoadError(str(exc))
            if resident.process is not None:
                await resident.process.close()
            return
        notes = load_notes(resident.model, resident.options, loaded["info"])
        resident.info, resident.load_s = {**loaded["info"], "notes": list(notes)}, now() - start
        for note in notes:
            log.info("%r: %s", resident.model.name, note)
        process.watch(self._settings.hang_timeout_s)
