"""``resume`` of what is no plan: a service, a cooperation, a comparison."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from multi_llm_comparator.applications.documents import KIND as SERVICE
from multi_llm_comparator.cli.answering import Running, running
from multi_llm_comparator.cli.consoles import messages, print_json
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.comparison.documents import KIND as COMPARISON
from multi_llm_comparator.cooperation.documents import KIND as COOPERATION
from multi_llm_comparator.core.exceptions import ConfigurationError, RunNotFoundError
from multi_llm_comparator.evaluation.measuring.documents import KIND as EVALUATION
from multi_llm_comparator.headless import opened_alone, scanned_models
from multi_llm_comparator.jobs.entries import PAGES as JOB_PAGES
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import ACTIVE, RunFilter
from multi_llm_comparator.wiring import Services

# They end by themselves, without a word from anybody.
RESUMED = (SERVICE, COOPERATION, COMPARISON)
POLL_S = 0.5


async def kind_of(work: Services, run_id: str) -> str:
    """The kind of a stored run.

    Raises:
        RunNotFoundError: there is none.
    """
    found = await work.runs.list(RunFilter(ids=(run_id,)), 1)
    if not found:
        raise RunNotFoundError(f"no run {run_id!r} is stored, and no data-set run is in such a folder")
    return found[0].kind


def refuse_kind(kind: str, run_id: str) -> None:
    """Raises ConfigurationError: runs of this kind are resumed otherwise; how."""
    if kind in RESUMED:
        return
    if kind == EVALUATION:
        raise ConfigurationError(f"run {run_id!r} is an evaluation: llm-cooperation evaluate --resume {run_id}")
    if kind in JOB_PAGES:
        raise ConfigurationError(f"run {run_id!r} is a job: llm-cooperation jobs resume {run_id}")
    raise ConfigurationError(f"run {run_id!r} is a {kind}, which is resumed on its page")


async def resume(run_id: str, *, as_json: bool, alone: bool) -> bool:
    """Go on with a run until it is over: by the workbench that is running, else here; whether it is done."""
    async with running(alone=alone) as found:
        state, export = await (_there(found, run_id) if found is not None else _here(run_id))
    if as_json:
        print_json({"run_id": run_id, "state": state, "answered_at": found.where if found else None, "export": export})
    else:
        messages.print(f"{state}; see it with: llm-cooperation export {run_id} --format markdown --output -")
    return state == "done"


async def _there(found: Running, run_id: str) -> tuple[str, Any]:
    told = await found.post(f"/api/runs/{run_id}/resume", {})

    async def ended() -> None:
        nonlocal told
        while told["status"] in ACTIVE:
            await asyncio.sleep(POLL_S)
            told = await found.get(f"/api/runs/{run_id}")

    await show_while(ended(), lambda: f"{told['phase'] or told['status']}: {told['title'][:80]}")
    told = await found.get(f"/api/runs/{run_id}")
    return told["status"], told.get("export")


async def _here(run_id: str) -> tuple[str, Any]:
    async with opened_alone(await asyncio.to_thread(scanned_models)) as services:
        run = await services.runs.resume(run_id, LiveRun)  # type: ignore[type-abstract]
        try:
            await show_while(services.runs.wait(run_id), lambda: f"{run.stage}: {run.title[:80]}")
        except BaseException:
            await services.runs.stop(run_id)
            messages.print(f"stopped; go on with: llm-cooperation resume {run_id}")
            raise
        export = await RunFiles(services.runs).data(run.kind, run_id, "json")
        return run.state, json.loads(export)
