"""Profiles of models from the runs that are stored."""

from __future__ import annotations

import asyncio
from itertools import chain, islice

from multi_llm_comparator.core.exceptions import DocumentError, RunNotFoundError
from multi_llm_comparator.plans.options import KIND
from multi_llm_comparator.plans.outlook import Outlook, Profiles
from multi_llm_comparator.plans.performance import CallFigures, calls_of
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.prediction.outlook import outlook_of
from multi_llm_comparator.prediction.profiles import profiles_of
from multi_llm_comparator.tracking.records import RunFilter, RunSummary

# How fast the machine is today only the latest runs tell; of each so many calls at most.
MAX_RUNS, MAX_CALLS = 30, 300
# Runs whose figures are kept: those before an old run that was opened, and the latest ones.
MAX_KEPT = 4 * MAX_RUNS


class Calibration:
    """What the runs of a registry tell of the models that took part, and what another should take by that.

    What each run tells is kept, without its texts, so that only those are read which are new: this is looked up while
    models are at work. Its coroutines belong to the registry's event loop.
    """

    def __init__(self, registry: PlanRegistry) -> None:
        self._registry = registry
        registry.outlook = self.outlook
        # By id and time of the last change: a run may be resumed, and is another one then.
        self._calls: dict[tuple[str, float], tuple[CallFigures, ...]] = {}

    async def profiles(self, *, without: str = "", before: float | None = None) -> Profiles:
        """Profiles of all that answered in the latest runs.

        Args:
            without: id of a run to leave out: the one to be predicted.
            before: only runs that were made before this moment tell, in seconds since the epoch.
        """
        latest = await self._registry.runs.list(RunFilter(kind=KIND, made_before=before), MAX_RUNS)
        told = [await self._calls_of(summary) for summary in latest if summary.id != without]
        return await asyncio.to_thread(profiles_of, chain.from_iterable(told))

    async def outlook(self, run: PlanRun) -> Outlook:
        """What the runs before one tell of it."""
        return outlook_of(run, await self.profiles(without=run.id, before=run.created_at))

    async def _calls_of(self, summary: RunSummary) -> tuple[CallFigures, ...]:
        """Nothing of a run that is at work, or cannot be read."""
        version = summary.id, summary.updated_at
        if version in self._calls:
            # Those looked at last are last.
            self._calls[version] = self._calls.pop(version)
            return self._calls[version]
        try:
            run = await self._registry.get(summary.id)
        except (DocumentError, RunNotFoundError):
            # Written by another version, or deleted meanwhile: the others will do.
            return ()
        if not run.is_over:
            return ()
        self._calls[version] = await asyncio.to_thread(lambda: tuple(islice(calls_of(run), MAX_CALLS)))
        while len(self._calls) > MAX_KEPT:
            del self._calls[next(iter(self._calls))]
        return self._calls[version]
