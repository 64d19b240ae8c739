"""What a command shows while it works. Drawn on standard error, so that standard output holds the result alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from multi_llm_comparator.cli.consoles import messages
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.evaluation.dataset_run import DatasetStanding
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.registry import RunRegistry

T = TypeVar("T")
REDRAWN_EVERY_S = 0.125
MAX_ROWS = 24
_STATE_STYLES = {"done": "green", "running": "cyan", "failed": "red", "skipped": "yellow", "stopped": "yellow"}


async def show_while(work: Awaitable[T], draw: Callable[[], RenderableType]) -> T:
    """Wait for ``work`` and redraw meanwhile; cancelled, it waits until ``work`` has ended itself."""
    task = asyncio.ensure_future(work)
    # Drawn from the event loop: rich's own refreshing would be a thread that reads runs while they change.
    with Live(draw(), console=messages, auto_refresh=False, transient=not messages.is_terminal) as live:
        try:
            while not (await asyncio.wait({task}, timeout=REDRAWN_EVERY_S))[0]:
                if messages.is_terminal:
                    live.update(draw(), refresh=True)
        except asyncio.CancelledError:
            await end_tasks(task)
            raise
        finally:
            live.update(draw(), refresh=True)
    return task.result()


async def follow(runs: RunRegistry, run: LiveRun, draw: Callable[[], RenderableType], resume: str) -> None:
    """Wait for a run to end, and show it meanwhile. Whatever ends this early, such as Ctrl+C, stops the run; it can be
    resumed by the command ``resume`` with its id."""
    try:
        await show_while(runs.wait(run.id), draw)
    except BaseException:
        await runs.stop(run.id)
        messages.print(f"stopped; go on with: llm-cooperation {resume} {run.id}")
        raise


def run_view(run: PlanRun) -> RenderableType:
    """A question at work: its state, and each step."""
    figures = run_metrics(run)
    elapsed = (run.ended_at or now()) - run.created_at
    running = sum(step.state == "running" for step in run.steps.values())
    heading = Text.assemble(
        (run.stage, _STATE_STYLES.get(run.state, "cyan")),
        f"  {figures.done} of {len(run.steps)} steps done, {running} running  ·  {figures.tokens:,} tokens  ·  "
        f"{elapsed:.1f} s",
    )
    steps = list(run.steps.values())
    table = Table(box=None, padding=(0, 1), show_header=False)
    for step in steps[-MAX_ROWS:]:
        table.add_row(*_step_cells(step))
    left_out = Text(f"({len(steps) - MAX_ROWS} earlier steps)", "dim") if len(steps) > MAX_ROWS else Text()
    return Group(heading, left_out, table) if len(steps) > MAX_ROWS else Group(heading, table)


def _step_cells(step: StepRun) -> tuple[Text, ...]:
    duration = step.duration_s if step.ended_at else (now() - step.started_at if step.started_at else None)
    tokens = sum(attempt.progress.tokens for attempt in step.attempts)
    return (
        Text(step.step.id, "bold"),
        Text(step.state, _STATE_STYLES.get(step.state, "dim")),
        Text(step.step.task[:60]),
        Text(step.target or "", "dim"),
        Text(f"{tokens} tokens" if tokens else "", "dim"),
        Text(f"{duration:.1f} s" if duration is not None else "", "dim"),
    )


def standing_view(standing: DatasetStanding) -> RenderableType:
    """A data set at work: a bar, accuracy so far, time left."""
    accuracy = "–" if standing.accuracy is None else f"{100 * standing.accuracy:.1f}% right of {standing.judged}"
    failed = f", {standing.failed} failed" if standing.failed else ""
    left = "" if standing.seconds_left is None else f"  ·  about {_duration(standing.seconds_left)} left"
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=standing.total, completed=standing.ended, width=30),
        Text(f"{standing.ended} of {standing.total}, {standing.in_flight} in flight{failed}  ·  {accuracy}  ·  ")
        + Text(f"{standing.tokens:,} tokens{left}"),
    )
    return row


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
