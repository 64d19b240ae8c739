"""How fast models are, from the runs that are stored."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from multi_llm_comparator.core.exceptions import DocumentError, RunNotFoundError
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction, predict, targets_of
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.theory import ModelProfile

# How fast the machine is today only the latest runs tell; how long answers are, many. Of large runs a few are many.
RUNS_LOOKED_AT, STEPS_LOOKED_AT = 120, 2_000


async def calibrated_profiles(
    registry: PlanRegistry, targets: Collection[str], *, without: str = "", before: float | None = None
) -> dict[str, ModelProfile]:
    """Profiles of ``targets`` from the latest runs; a target that none of them asked has none.

    Args:
        registry: where the runs are.
        targets: which models or groups.
        without: id of a run to leave out: the one to be predicted.
        before: only runs that were made before this moment tell, in seconds since the epoch.
    """
    runs: list[PlanRun] = []
    steps = 0
    for summary in await registry.recent(limit=RUNS_LOOKED_AT, before=before):
        if summary.id == without or steps >= STEPS_LOOKED_AT:
            continue
        try:
            run = await registry.get(summary.id)
        except (DocumentError, RunNotFoundError):
            # Written by another version, or deleted meanwhile: the others will do.
            continue
        if run.is_over:
            runs.append(run)
            steps += len(run.steps)
    # The latest come last: they count most.
    return await asyncio.to_thread(_profiles, runs[::-1], targets)


async def predicted(registry: PlanRegistry, run: PlanRun) -> Prediction | None:
    """What a finished run should have taken: by earlier runs, and by itself for models that had none."""
    targets = targets_of(run)
    earlier = await calibrated_profiles(registry, targets, without=run.id, before=run.created_at)
    return await asyncio.to_thread(_predicted, run, targets, earlier)


def _predicted(run: PlanRun, targets: Collection[str], earlier: dict[str, ModelProfile]) -> Prediction | None:
    own = {name: replace(profile, of_same_run=True) for name, profile in _profiles([run], targets).items()}
    return predict(run, {**own, **earlier})


def _profiles(runs: Sequence[PlanRun], targets: Collection[str]) -> dict[str, ModelProfile]:
    """Fitting takes long enough for steps at work to wait for it: not for the event loop."""
    tracker = PerformanceTracker()
    for run in runs:
        tracker.track(run)
    return {name: profile for name, profile in tracker.profiles().items() if name in targets}
