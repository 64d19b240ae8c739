"""The folder of a job: what it is to do, what it tells, what it prints, what it works with and what it makes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.private_files import make_private_folder
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.jobs.spec import MAX_OPTIONS_CHARS, JobSpec, make_spec

MAX_SPEC_BYTES = 4 * MAX_OPTIONS_CHARS
MAX_PROCESS_BYTES = 4096
TAIL_BYTES = 16 * 1024
TAIL_LINES = 100


@dataclass(frozen=True, slots=True)
class JobFolder:
    """``<home>/jobs/<run id>``: ``job.json``, ``process.json``, ``events.jsonl``, ``log.txt``, ``stop``, ``work/`` for
    what a job needs to be resumed, ``out/`` for what it makes."""

    path: Path

    @property
    def spec_file(self) -> Path:
        return self.path / "job.json"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def stop_file(self) -> Path:
        return self.path / "stop"

    @property
    def lock(self) -> Path:
        return self.path / "job.lock"

    @property
    def process_file(self) -> Path:
        return self.path / "process.json"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def out(self) -> Path:
        return self.path / "out"

    def make(self, spec: JobSpec) -> None:
        """Make the folder, closed to others, with what the job is to do.

        Raises:
            ConfigurationError: it cannot be made.
            NotWrittenError: the specification cannot be written.
        """
        try:
            make_private_folder(self.path.parent)
            make_private_folder(self.path)
            for place in (self.work, self.out):
                place.mkdir(exist_ok=True)
        except OSError as exc:
            raise ConfigurationError(f"the folder {str(self.path)!r} cannot be made: {exc.strerror or exc}") from exc
        write_atomically(self.spec_file, spec.model_dump_json(indent=2) + "\n", mode=0o600)

    def spec(self) -> JobSpec:
        """What the job is to do.

        Raises:
            DocumentError: there is no such file, or it is damaged.
            ConfigurationError: what it says cannot be done.
        """
        try:
            data = load_json(self.spec_file, MAX_SPEC_BYTES)
        except (OSError, ValueError) as exc:
            raise DocumentError(f"{str(self.path)!r} is no job: {self.spec_file.name} cannot be read: {exc}") from exc
        return make_spec(data)

    def process(self) -> WorkingProcess | None:
        """The process that works on the job, or did last."""
        try:
            data = load_json(self.process_file, MAX_PROCESS_BYTES)
            return WorkingProcess(str(data["host"]), int(data["pid"]), float(data["began_at"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep_process(self, process: WorkingProcess) -> None:
        write_atomically(self.process_file, json.dumps(asdict(process)) + "\n", mode=0o600)

    def read_events(self, offset: int, max_bytes: int) -> tuple[list[bytes], int]:
        """Whole lines from ``offset`` on, and where the next begins."""
        try:
            with open_regular(self.events) as file:
                file.seek(offset)
                data = file.read(max_bytes)
        except OSError:
            return [], offset
        end = data.rfind(b"\n") + 1
        if not end and len(data) == max_bytes:
            # No event is so long: it is passed over.
            return [], offset + max_bytes
        return data[:end].splitlines(), offset + end

    def log_tail(self) -> tuple[str, ...]:
        """The last lines of what the job printed."""
        try:
            with open_regular(self.log) as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                text = file.read(TAIL_BYTES).decode("utf-8", "replace")
        except OSError:
            return ()
        # Progress bars write over their line; what one would see last is what counts.
        lines = [line.rsplit("\r", 1)[-1] for line in text.rstrip("\r\n").split("\n")]
        return tuple(lines[-TAIL_LINES:] if text else ())

    def log_size(self) -> int:
        with contextlib.suppress(OSError):
            return self.log.stat().st_size
        return 0

    def remove(self, *, with_artefacts: bool) -> None:
        """Delete the folder; without ``with_artefacts`` what lies in ``out/`` stays, with ``job.json``.

        Links are not followed.
        """
        if not self.path.is_dir() or self.path.is_symlink():
            return
        is_kept = not with_artefacts and self.out.is_dir() and any(self.out.iterdir())
        kept = {self.out.name, self.spec_file.name} if is_kept else set()
        for place in self.path.iterdir():
            if place.name in kept:
                continue
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
        if not is_kept:
            shutil.rmtree(self.path, ignore_errors=True)
