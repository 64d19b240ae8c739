"""Stored runs of any kind as files: one by one, or many in one archive. For pages and command line alike."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import KIND as COMPARISON
from multi_llm_comparator.comparison.export import FORMATS as COMPARISON_FORMATS
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError, RunNotFoundError
from multi_llm_comparator.core.file_names import FILE_KINDS, file_stem
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.jobs.entries import job_kinds
from multi_llm_comparator.jobs.export import FORMATS as JOB_FORMATS
from multi_llm_comparator.jobs.export import export_job
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.plans.export import FORMATS as PLAN_FORMATS
from multi_llm_comparator.plans.export import export_plan_run
from multi_llm_comparator.plans.plan_run import KIND as PLAN
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter

# An archive is made in memory.
MAX_ARCHIVE_RUNS = 100
MAX_ARCHIVE_BYTES = 200 * 2**20
LEFT_OUT_FILE = "left-out.txt"

Make = Callable[[str, str, Language], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file, by the name under which it is saved."""

    name: str
    media_type: str
    data: bytes


class RunFiles:
    """Makes files of runs, live or stored.

    Args:
        runs: has the runs.
        calibration: tells what was predicted of plans.
    """

    def __init__(self, runs: RunRegistry, calibration: Calibration) -> None:
        self._runs, self._calibration = runs, calibration
        self._kinds: Mapping[str, tuple[tuple[str, ...], Make]] = {
            COMPARISON: (COMPARISON_FORMATS, self._comparison),
            PLAN: (PLAN_FORMATS, self._plan),
            **dict.fromkeys(job_kinds(), (JOB_FORMATS, self._job)),
        }

    def formats(self, kind: str) -> tuple[str, ...]:
        """What runs of a kind can be exported as, the most telling first; none for a kind that is not known here."""
        return self._kinds[kind][0] if kind in self._kinds else ()

    async def export(self, run_id: str, format: str, language: Language = "en") -> RunFile:
        """One run as a file.

        Raises:
            RunNotFoundError: no such run.
            DocumentError: what is stored of it cannot be read.
            ConfigurationError: runs of its kind have no such format, or not yet.
        """
        found = await self._runs.list(RunFilter(ids=(run_id,)), 1)
        if not found:
            raise RunNotFoundError(f"no run {run_id!r} is stored; it may have been deleted")
        run = found[0]
        data = await self.data(run.kind, run_id, format, language)
        ending, media_type = FILE_KINDS[format]
        return RunFile(f"{file_stem(run.kind, run.created_at, run.title, run_id)}.{ending}", media_type, data)

    async def data(self, kind: str, run_id: str, format: str, language: Language = "en") -> bytes:
        """What the file of a run says. Needs no store where the run is live. Raises as :meth:`export`."""
        formats, make = self._kinds.get(kind, ((), None))
        if make is None or format not in formats:
            known = ", ".join(formats) or "none that this version knows"
            raise ConfigurationError(f"a run of kind {kind!r} has no export format {format!r}; it has: {known}")
        return await make(run_id, format, language)

    async def archive(self, run_ids: Sequence[str], format: str, language: Language = "en") -> bytes:
        """Many runs as one ZIP file. What cannot be in it is named in its ``left-out.txt``, with the reason.

        Args:
            run_ids: at most MAX_ARCHIVE_RUNS; together their files may have MAX_ARCHIVE_BYTES.
            format: of each file.
            language: of the words in them.
        """
        if len(run_ids) > MAX_ARCHIVE_RUNS:
            raise ConfigurationError(f"an archive holds at most {MAX_ARCHIVE_RUNS} runs, not {len(run_ids)}")
        packed, names, left_out, left_bytes = io.BytesIO(), set[str](), list[str](), MAX_ARCHIVE_BYTES
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for run_id in run_ids:
                try:
                    file = await self.export(run_id, format, language)
                except MultiLLMError as exc:
                    left_out.append(f"{run_id}: {exc}")
                    continue
                if len(file.data) > left_bytes:
                    left_out.append(f"{run_id}: the archive would be larger than {MAX_ARCHIVE_BYTES >> 20} MiB")
                    continue
                left_bytes -= len(file.data)
                # Two runs of a day may begin with the same words.
                name = file.name if file.name not in names else f"{run_id[:12]}-{file.name}"
                names.add(name)
                await asyncio.to_thread(archive.writestr, name, file.data)
            if left_out:
                archive.writestr(LEFT_OUT_FILE, "\n".join(left_out) + "\n")
        return packed.getvalue()

    async def _comparison(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self._runs.get(run_id, Comparison)).snapshot()
        return await asyncio.to_thread(export_run, snapshot, format, language)

    async def _plan(self, run_id: str, format: str, language: Language) -> bytes:
        run = (await self._runs.get(run_id, PlanRun)).snapshot()
        outlook = await self._calibration.outlook(run)
        return await asyncio.to_thread(export_plan_run, run, format, language, outlook)

    async def _job(self, run_id: str, format: str, language: Language) -> bytes:
        job = (await self._runs.get(run_id, JobRun)).snapshot()
        return await asyncio.to_thread(export_job, job, format)
