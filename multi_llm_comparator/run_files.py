"""Stored runs of any kind as files: one by one, or many in one archive. For pages and command line alike."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError, RunNotFoundError
from multi_llm_comparator.core.file_names import FILE_KINDS, file_stem
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter

# What runs of every kind can be exported as.
ARCHIVED_AS = ("json", "html", "markdown", "csv")
# An archive is made in memory.
MAX_ARCHIVE_RUNS = 100
MAX_ARCHIVE_BYTES = 200 * 2**20
LEFT_OUT_FILE = "left-out.txt"


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file, by the name under which it is saved."""

    name: str
    media_type: str
    data: bytes


class RunFiles:
    """Makes files of runs, live or stored.

    Args:
        runs: has the runs, and knows their kinds.
    """

    def __init__(self, runs: RunRegistry) -> None:
        self._runs = runs

    def formats(self, kind: str) -> tuple[str, ...]:
        """What runs of a kind can be exported as, the most telling first; none for a kind that is not known here."""
        found = self._runs.kind_of(kind)
        return found.formats if found else ()

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
        found = self._runs.kind_of(kind)
        if found is None or format not in found.formats:
            known = ", ".join(self.formats(kind)) or "none that this version knows"
            raise ConfigurationError(f"a run of kind {kind!r} has no export format {format!r}; it has: {known}")
        return await found.export(run_id, format, language)

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
