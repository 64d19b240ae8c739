"""Services as a kind of run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

from multi_llm_comparator.applications.answers import Answered
from multi_llm_comparator.applications.documents import KIND, RecordedService, read_item, read_run
from multi_llm_comparator.applications.export import FORMATS, export_service
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.sources import Sources
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


class ServiceRegistry:
    """Services, as a kind of run: starts and resumes them.

    Args:
        runs: where runs live; this kind is made known to it.
        sources: what they work with.
    """

    name, page, formats = KIND, "services", FORMATS

    def __init__(self, runs: RunRegistry, sources: Sources) -> None:
        self.runs, self._sources = runs, sources
        runs.register(self)
        runs.when_deleted(sources.documents.forget)

    async def start(self, spec: ServiceSpec, data: bytes, *, parent_id: str | None = None) -> ServiceRun:
        """Work on a document; returns at once with the run at work.

        Raises:
            DocumentError: it is empty, or too large.
            NotWrittenError: it cannot be kept for the run.
        """
        if not data.strip():
            raise DocumentError(
                f"{spec.name!r} is empty" if spec.name else "there is no text; paste some, or give a file"
            )
        if len(data) > MAX_FILE_BYTES:
            raise DocumentError(
                f"the document has {len(data) / 1e6:,.0f} MB; at most {MAX_FILE_BYTES / 1e6:,.0f} MB are read: split it"
            )
        run = self._recorded(ServiceRun(self._sources, spec, run_id=uuid.uuid4().hex[:12]), parent_id=parent_id)
        await asyncio.to_thread(self._sources.documents.keep, run.id, data)
        await run.save()
        run.begin()
        self.runs.adopt(run)
        return run

    async def get(self, run_id: str) -> ServiceRun:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, ServiceRun)

    async def resume(self, run_id: str) -> ServiceRun:
        """Ask what has no answer yet, also what failed. See :meth:`RunRegistry.resume`."""
        return await self.runs.resume(run_id, ServiceRun)

    async def document(self, run_id: str) -> bytes:
        """The document of a run, as it was given. Raises DocumentError: it is not there any more."""
        return await asyncio.to_thread(self._sources.documents.load, run_id)

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(export_service, snapshot, format, language)

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> ServiceRun:
        document = read_run(record)
        run = ServiceRun(self._sources, document.spec, run_id=record.id)
        run.created_at, run.ended_at, run.error = document.created_at, document.ended_at, document.error
        run.state, run.worked_before_s = document.state, document.worked_s
        for item in sorted(items, key=lambda one: one.position):
            match read_item(item):
                case Reading() | Data() as read:
                    run.read = read
                case Answered() as answer:
                    run.answers[item.key] = answer
                case result:
                    run.result = result
        if record.status == "interrupted":
            run.state = "interrupted"
        if run.state != "done":
            run.result = None
        return self._recorded(run, record)

    def _recorded(
        self, run: ServiceRun, record: RunRecord | None = None, *, parent_id: str | None = None
    ) -> ServiceRun:
        run.recorder = self.runs.recorder(RecordedService(run), record, parent_id=parent_id)
        return run
