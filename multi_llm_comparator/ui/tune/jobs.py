"""Jobs as this page deals with them: the one in the address, those beside it, and what can be done with one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.training.data.distillation import Distillation, DistillationSnapshot
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.state import asked_run, beside_ids, forget_run, leave_run, show_beside, show_run
from multi_llm_comparator.workbench import get_workbench

TUNING = "tuning"
# A long curve is read point by point.
READING_S = 60.0
DELETING_S = 60.0


def current() -> JobSnapshot | DistillationSnapshot | None:
    """What the address names, else what the session had open. An unknown run is said and dropped."""
    run_id = asked_run()
    if not run_id:
        return None
    run = perform(get_workbench().runs.get(run_id, LiveRun), run_id, timeout_s=READING_S)  # type: ignore[type-abstract]
    if not isinstance(run, JobRun | Distillation):
        if run is not None:
            warn(t("tune.other_kind"))
        leave_run()
        return None
    show_run(run.id)
    return run.snapshot()


def taken(run_id: str) -> JobSnapshot | None:
    """A job as it is at this moment; None if there is none, which the reader has been told."""
    run = perform(get_workbench().jobs.get(run_id), run_id, timeout_s=READING_S)
    return None if run is None else run.snapshot()


def jobs_beside(job: JobSnapshot) -> list[JobSnapshot]:
    """The other jobs of the address, without those that are gone."""
    wanted = [run_id for run_id in beside_ids() if run_id != job.id]
    found = [one for one in map(taken, wanted) if one is not None]
    if len(found) < len(wanted):
        show_beside(tuple(one.id for one in found))
    return found


def at_work() -> list[JobSnapshot]:
    """Jobs that run, then those that wait, the next first."""
    jobs = get_workbench().jobs
    return [run.snapshot() for run in (*jobs.running, *jobs.queue)]


def act(work: Callable[[str], Coroutine[Any, Any, object]], run_id: str) -> None:
    """Do something to a job; why it was refused is said."""
    perform(work(run_id), run_id)


def stop(run_id: str) -> None:
    act(get_workbench().jobs.stop, run_id)


def resume(run_id: str, **changes: Any) -> None:
    """Continue a job, with ``changes`` of its options that do not change what is learnt."""
    if perform(get_workbench().jobs.resume(run_id, **changes), run_id) is not None:
        show_run(run_id)


def move_up(run_id: str) -> None:
    """Have a waiting job begin before the one that is before it now."""
    waiting = [run.id for run in get_workbench().jobs.queue]
    place = waiting.index(run_id) if run_id in waiting else 0
    if place:
        perform(get_workbench().jobs.move(run_id, waiting[place - 1]), run_id)


def delete(run_id: str, *, with_artefacts: bool) -> None:
    jobs = get_workbench().jobs

    async def work() -> bool:
        await jobs.delete(run_id, with_artefacts=with_artefacts)
        return True

    if perform(work(), run_id, timeout_s=DELETING_S):
        forget_run(run_id)


def unload_idle(job: JobSnapshot) -> None:
    """Unload the models that nobody asks just now, which the job waits for."""
    for model in job.waits_for.idle if job.waits_for else ():
        perform(get_workbench().engine.unload(model.model_id), job.id)
