"""What ``llm-cooperation jobs`` does: tunings and other long work, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from multi_llm_comparator.cli.answering import running
from multi_llm_comparator.cli.beside import the_running
from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.cli.display import show_while
from multi_llm_comparator.core.exceptions import ConfigurationError, ModelNotFoundError
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.evaluation.opencompass_config import OpenCompassOptions
from multi_llm_comparator.headless import finder, local_names
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import MAX_TITLE_CHARS, make_spec
from multi_llm_comparator.tracking.records import RunSummary
from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.estimate import most_bytes
from multi_llm_comparator.training.tuning_spec import AskedJob, expected_of, tuning_spec
from multi_llm_comparator.wiring import Services

MAX_LISTED = 50
LOG_LINES = 10


async def list_jobs(work: Services, as_json: bool) -> None:
    found = await work.jobs.list(limit=MAX_LISTED)
    if as_json:
        print_json(found)
        return
    if not found:
        messages.print("there are no jobs; start one on the page Tune")
    for run in found:
        output.print(_line(run))


def _line(run: RunSummary) -> str:
    said = f"  {run.detail}" if run.detail else ""
    return f"{run.id}  {iso_time(run.created_at)}  {run.stage:<12}  {run.kind:<12}  {run.title}{said}"


async def show_job(work: Services, run_id: str, as_json: bool) -> None:
    job = (await work.jobs.get(run_id)).snapshot()
    if as_json:
        print_json(job)
        return
    for line in described(job):
        output.print(line)


def described(job: JobSnapshot) -> list[str]:
    """What is to be said of a job, in lines."""
    lines = [f"{job.title} ({job.spec.kind})", f"state: {job.state}{f', {job.phase}' if job.phase else ''}"]
    if job.waits_for is not None:
        lines.append(job.waits_for.text)
    if job.progress is not None:
        left = f", about {job.progress.left_s:.0f} s left" if job.progress.left_s is not None else ""
        lines.append(f"progress: {job.progress.done} of {job.progress.total} {job.progress.unit}{left}")
    lines += [f"{name}: {curve[-1].value:.6g} at step {curve[-1].step}" for name, curve in job.curves.items() if curve]
    lines += [f"{note.level}: {note.text}" for note in job.notes]
    lines += [f"{artefact.kind}: {artefact.path}" for artefact in job.artefacts]
    if job.result is not None:
        lines.append(f"result: {', '.join(f'{name} {value}' for name, value in job.result.items())}")
    if job.error is not None:
        lines.append(f"error: {job.error.text}")
    lines.append(f"folder: {job.folder}")
    if job.log_tail:
        lines += ["log:", *(f"  {line}" for line in job.log_tail[-LOG_LINES:])]
    return lines


async def stop_job(work: Services, run_id: str, as_json: bool) -> None:
    await work.jobs.stop(run_id)
    if as_json:
        print_json({"told_to_stop": run_id})
    messages.print(f"job {run_id} was told to stop; it writes a checkpoint first")


async def resume_job(work: Services, run_id: str, as_json: bool) -> bool:
    await work.jobs.open(find=False)
    return await _followed(await work.jobs.resume(run_id), as_json)


async def move_job(run_id: str, before: str | None, as_json: bool) -> None:
    """Raises ConfigurationError: no workbench runs; ModelNotFoundError: one of them does not wait there."""
    async with the_running("there is no queue of jobs") as there:
        found = await there.post(f"/api/jobs/{run_id}/move", {"before": before})
    say(f"the queue is now: {', '.join(found['queue'])}", as_json, found)


async def start_tuning(work: Services, asked: AskedJob) -> bool:
    """Put a tuning into the queue, and show how far it is. Ctrl+C leaves it at work."""
    options = asked.options
    title = f"{Path(options.model_path).name} · {Path(options.data.source).name}"[:MAX_TITLE_CHARS]
    expected = None
    if asked.elsewhere is None:
        messages.print("reading the data ...")
        expected = await expected_of(options, DataProcess())
        needed, seconds = expected.peak_bytes / 1e9, expected.seconds
        messages.print(f"needs about {needed:.1f} GB and, by what is assumed of this machine, {seconds:.0f} s")
        if not expected.fits_in(most_bytes()):
            expected.check_fits(Path(options.model_path).name)
    await work.jobs.open(find=False)
    run = await work.jobs.start(tuning_spec(title, options, expected, asked.elsewhere))
    messages.print(f"job {run.id}")
    return await _followed(run, asked.as_json)


async def start_opencompass(work: Services, options: dict[str, Any], as_json: bool = False) -> bool:
    """Put a measurement by OpenCompass into the queue, and show how far it is.

    Raises:
        ConfigurationError: an option that cannot be meant, or nobody serves the API.
    """
    address = options["base_url"]
    if address is None:
        async with running() as found:
            if found is None:
                raise ConfigurationError(f"nobody serves the API: start llm-server --model {options['model']}")
            address = f"{found.where}/v1"
    wanted = checked(OpenCompassOptions, {**options, "base_url": address})
    title = f"OpenCompass · {wanted.model} · {', '.join(wanted.datasets)}"[:MAX_TITLE_CHARS]
    await work.jobs.open(find=False)
    spec = make_spec({"kind": "opencompass", "title": title, "options": wanted.model_dump(mode="json")})
    run = await work.jobs.start(spec)
    messages.print(f"job {run.id}")
    return await _followed(run, as_json)


async def start_lm_eval(work: Services, model: str, options: dict[str, Any], as_json: bool = False) -> bool:
    """Put tasks of lm-eval on a model into the queue, and show how far it is. Ctrl+C leaves it at work."""
    from multi_llm_comparator.evaluation.lm_eval_job import lm_eval_spec

    found = finder(work.models)(model)
    known = work.models.find(found) if found else None
    if known is None:
        near = did_you_mean(model, local_names(work.models))
        raise ModelNotFoundError(f"{model!r} is no model of this machine, nor its folder or file{near}")
    spec = lm_eval_spec(known, **options)
    await work.jobs.open(find=False)
    run = await work.jobs.start(spec)
    messages.print(f"job {run.id}")
    return await _followed(run, as_json)


async def _followed(run: JobRun, as_json: bool) -> bool:
    try:
        await show_while(run.wait(), lambda: job_view(run))
    except BaseException:
        # Ctrl+C arrives here as a cancellation.
        messages.print(f"the job goes on by itself; see: llm-cooperation jobs show {run.id}")
        raise
    if as_json:
        print_json(run.snapshot())
        return run.state == "done"
    for line in described(run.snapshot()):
        output.print(line)
    return run.state == "done"


def job_view(run: JobRun) -> RenderableType:
    """A job at work: its phase, a bar, its newest loss."""
    job = run.snapshot()
    said = job.waits_for.text if job.waits_for is not None else job.phase or job.state
    losses = [f"{name} {curve[-1].value:.4g}" for name, curve in job.curves.items() if curve and "loss" in name]
    row = Table.grid(padding=(0, 1))
    progress = job.progress
    if progress is not None:
        bar = ProgressBar(total=max(1, progress.total), completed=progress.done, width=30)
        row.add_row(bar, Text(f"{progress.done} of {progress.total} {progress.unit}  ·  {'  ·  '.join(losses)}"))
    return Group(Text(said, "cyan"), row)
