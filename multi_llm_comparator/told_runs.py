"""Runs that ended, as MLflow is told of them."""

from __future__ import annotations

import asyncio
import json

from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.evaluation.lm_eval_job import metrics_of
from multi_llm_comparator.jobs.entries import PAGES
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.runs.live import LiveRun, Measured
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.mlflow_feed import MAX_DATA_BYTES, MlflowFeed, ToldRun, feed_for


def feed_of(settings: Settings, runs: RunRegistry) -> MlflowFeed | None:
    """What tells MLflow of all runs with figures from now on; None if the settings name no place."""
    feed = feed_for(settings)
    if feed is None:
        return None

    async def tell(run: LiveRun) -> None:
        if (figures := figures_of(run)) is not None:
            feed.tell(await told_run(run, figures, runs))

    runs.when_ended(tell)
    return feed


def figures_of(run: LiveRun) -> dict[str, float] | None:
    """The figures of a run, by name: of a job, those that another program measured. None for kinds of run that have
    none; a tuning tells its own."""
    if isinstance(run, Measured):
        return run.figures()
    if not isinstance(run, JobRun) or PAGES.get(run.spec.kind) != "measure":
        return None
    found: dict[str, float] = {}
    for one in metrics_of(run.snapshot().result):
        name = f"{one.task}/{one.metric}"
        known = {name: one.value, f"{name}/low": one.low, f"{name}/high": one.high}
        found |= {key: value for key, value in known.items() if value is not None}
    return found


async def told_run(run: LiveRun, figures: dict[str, float], runs: RunRegistry) -> ToldRun:
    """What is told of one run.

    Raises:
        StoreError, RunNotFoundError: it is not stored.
    """
    record = await asyncio.to_thread(runs.store.load_run, run.id)
    data = None
    if "json" in RunFiles(runs).formats(run.kind):
        text = await RunFiles(runs).data(run.kind, run.id, "json")
        data = json.loads(text) if len(text) <= MAX_DATA_BYTES else None
    return ToldRun(
        run_id=run.id,
        experiment=run.kind,
        name=record.title,
        state=run.state,
        models=record.models,
        params={"kind": run.kind, "detail": record.detail, "origin": record.origin},
        figures=figures,
        data=data,
    )
