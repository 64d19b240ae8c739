"""How fast models are, from the runs that are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from multi_llm_comparator.core.exceptions import DocumentError, RunNotFoundError
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan_run import KIND, PlanRun
from multi_llm_comparator.plans.prediction import Outlook, outlook_of, targets_of
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.run_figures import RunFigures
from multi_llm_comparator.plans.theory import ModelProfile
from multi_llm_comparator.tracking.records import RunFilter, RunSummary

# How fast the machine is today only the latest runs tell; how long answers are, many. Of large runs a few are many.
RUNS_LOOKED_AT, STEPS_LOOKED_AT = 120, 2_000
# Those before an old run that was opened, and the latest ones.
FIGURES_KEPT = 3 * RUNS_LOOKED_AT
# A run is looked up when its plan is there and when it is over, and both must not cost it the cores twice.
FITS_KEPT = 4

# A stored run as it was at a time: it may be resumed, and is another one then.
_Version = tuple[str, float]


class Calibration:
    """What the runs of a registry tell of the models that took part, and what another should take by that.

    What each run tells is kept until the next time, so that only those are read which are new: this is looked up while
    models are at work. Its coroutines belong to the registry's event loop.
    """

    def __init__(self, registry: PlanRegistry) -> None:
        self._registry = registry
        self._figures: dict[_Version, RunFigures] = {}
        self._fits: dict[tuple[_Version, ...], dict[str, ModelProfile]] = {}

    async def profiles(
        self, targets: Collection[str], *, without: str = "", before: float | None = None
    ) -> dict[str, ModelProfile]:
        """Profiles of ``targets`` from the latest runs; a target that none of them asked has none.

        Args:
            targets: which models or groups.
            without: id of a run to leave out: the one to be predicted.
            before: only runs that were made before this moment tell, in seconds since the epoch.
        """
        latest: dict[_Version, RunFigures] = {}
        steps = 0
        earlier = RunFilter(kind=KIND, made_before=before)
        for summary in await self._registry.runs.list(earlier, RUNS_LOOKED_AT):
            if summary.id == without or steps >= STEPS_LOOKED_AT:
                continue
            if (figures := await self._figures_of(summary)) is not None:
                latest[summary.id, summary.updated_at] = figures
                steps += figures.metrics.steps
        # Those looked at last are last.
        kept = [*((v, f) for v, f in self._figures.items() if v not in latest), *latest.items()]
        self._figures = dict(kept[-FIGURES_KEPT:])
        # The latest come last: they count most.
        versions = tuple(reversed(latest))
        if (fit := self._fits.get(versions)) is None:
            # Fitting takes long enough for steps at work to wait for it: not on the event loop.
            fit = await asyncio.to_thread(_fitted, [latest[version] for version in versions])
            self._fits = dict([*self._fits.items(), (versions, fit)][-FITS_KEPT:])
        return {name: profile for name, profile in fit.items() if name in targets}

    async def outlook(self, run: PlanRun) -> Outlook:
        """What the runs before one tell of it."""
        earlier = await self.profiles(targets_of(run), without=run.id, before=run.created_at)
        return await asyncio.to_thread(outlook_of, run, earlier)

    async def _figures_of(self, summary: RunSummary) -> RunFigures | None:
        """None of a run that is at work, or cannot be read."""
        if (known := self._figures.get((summary.id, summary.updated_at))) is not None:
            return known
        try:
            run = await self._registry.get(summary.id)
        except (DocumentError, RunNotFoundError):
            # Written by another version, or deleted meanwhile: the others will do.
            return None
        return await asyncio.to_thread(RunFigures.of, run) if run.is_over else None


def _fitted(figures: Sequence[RunFigures]) -> dict[str, ModelProfile]:
    tracker = PerformanceTracker()
    for one in figures:
        tracker.add(one)
    return tracker.profiles()
