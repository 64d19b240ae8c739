"""Runs that ended, told to MLflow by a child process: beside what the workbench does, and never in its way."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.tracking.mlflow_log import local_uri

# The setting that stands for files in the home folder.
LOCAL = "local"
MAX_WAITING = 100
MAX_DATA_BYTES, MAX_LINE_BYTES = 16 * 2**20, 2**20
TIMEOUT_S = 120.0
# Runs that end one soon after the other go in one process.
GATHER_S = 1.0
# What MLflow's client signs in with, which no other child is given.
KEYS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldRun:
    """What MLflow is told of a run: ``params`` and ``figures`` as it shows them, ``data`` (the run's JSON export) as an
    artefact."""

    run_id: str
    experiment: str
    name: str
    state: str
    models: tuple[str, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    data: Any = None


def feed_for(settings: Settings) -> MlflowFeed | None:
    """What tells MLflow where the settings name it; None if they name no place."""
    if not settings.mlflow_uri:
        return None
    return MlflowFeed(local_uri(settings.home) if settings.mlflow_uri == LOCAL else settings.mlflow_uri)


class MlflowFeed:
    """Tells runs to the MLflow at ``uri``. Its coroutines belong to one event loop.

    A tracking server that fails loses what was told to it and nothing else; :attr:`problem` says so.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._waiting: deque[ToldRun] = deque(maxlen=MAX_WAITING)
        self._work: asyncio.Task[None] | None = None
        self.problem: str | None = None

    def tell(self, run: ToldRun) -> None:
        """Have a run told soon; of more than fit the oldest are left out."""
        if len(self._waiting) == MAX_WAITING:
            self.problem = f"more than {MAX_WAITING} runs waited to be told to MLflow; the oldest were left out"
        self._waiting.append(run)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._tell_all())

    async def finish(self) -> None:
        """Wait until all that waits is told, or could not be."""
        if self._work is not None:
            await self._work

    async def aclose(self) -> None:
        """Tell what waits, for a moment at most."""
        if self._work is not None:
            await asyncio.wait({self._work}, timeout=TIMEOUT_S / 10)
            await end_tasks(self._work)

    async def _tell_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            batch = list(self._waiting)
            self._waiting.clear()
            try:
                self.problem = await self._tell(batch)
            except (OSError, TimeoutError, MultiLLMError) as exc:
                self.problem = f"MLflow was not told of {len(batch)} runs: {str(exc) or 'it took too long'}"
            if self.problem:
                _log.warning("%s", self.problem)

    async def _tell(self, batch: list[ToldRun]) -> str | None:
        child = await AskedProcess.start(
            "multi_llm_comparator.services.mlflow_child",
            max_line_bytes=MAX_LINE_BYTES,
            environment=child_environment(keep=KEYS),
            is_quiet=True,
        )
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await child.ask({"uri": self._uri, "runs": [asdict(run) for run in batch]})
        finally:
            code = await child.end()
        return f"telling MLflow ended with code {code}" if found is None else found["problem"]
