"""Services as a kind of run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from multi_llm_comparator.applications.answers import Answered
from multi_llm_comparator.applications.documents import KIND, ServiceDocument, read_item
from multi_llm_comparator.applications.export import export_service
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES, too_large
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.sources import ServiceSources
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.stored import take_life
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


class ServiceRegistry(TaskRunKind[ServiceRun]):
    """Services, as a kind of run: starts and resumes them.

    Args:
        runs: where runs live; this kind is made known to it.
        sources: what they work with.
    """

    name, page, exports, run_class = KIND, "services", export_service, ServiceRun

    def __init__(self, runs: RunRegistry, sources: ServiceSources) -> None:
        super().__init__(runs)
        self._sources = sources
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
            raise too_large(spec.name, len(data))
        run = ServiceRun(self._sources, spec, run_id=new_run_id())
        await asyncio.to_thread(self._sources.documents.keep, run.id, data)
        return await self.begun(run, parent_id=parent_id)

    async def document(self, run_id: str) -> bytes:
        """The document of a run, as it was given. Raises DocumentError: it is not there any more."""
        return await asyncio.to_thread(self._sources.documents.load, run_id)

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> ServiceRun:
        document = ServiceDocument.read(record)
        run = ServiceRun(self._sources, document.spec, run_id=record.id)
        take_life(run, document)
        run.worked_before_s = document.worked_s
        for item in sorted(items, key=lambda one: one.position):
            match read_item(item):
                case Reading() | Data() as read:
                    run.read = read
                case Answered() as answer:
                    run.answers[item.key] = answer
                case result:
                    run.result = result
        if run.state != "done":
            run.result = None
        return run
