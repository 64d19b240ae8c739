"""What ``llm-cooperation runs`` does: stored runs of every kind, from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli.beside import the_running
from multi_llm_comparator.cli.consoles import messages, output, print_json, say
from multi_llm_comparator.cli.export import SHORT, language_of
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, RunNotFoundError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.readable import cut_line, iso_time
from multi_llm_comparator.run_files import ARCHIVED_AS, RunFiles
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.wiring import Services

TITLE_CHARS = 80
DAY_S = 86_400


async def list_runs(work: Services, wanted: Mapping[str, Any], days: float | None, limit: int, as_json: bool) -> None:
    since = None if days is None else now() - days * DAY_S
    found = await work.runs.list(RunFilter(**wanted, made_after=since), limit)
    if as_json:
        print_json(found)
        return
    if not found:
        messages.print("no run fits" if days or any(wanted.values()) else "there are no runs")
    for run in found:
        output.print(_line(run))


def _line(run: RunSummary) -> str:
    made_for = f"  for {run.caller}" if run.caller else ""
    title = cut_line(run.title, TITLE_CHARS)
    return f"{run.id}  {iso_time(run.created_at)}  {run.status:<12}  {run.kind:<12}  {title}{made_for}"


async def show_run(work: Services, run_id: str, as_json: bool) -> None:
    """Raises RunNotFoundError."""
    run = await stored(work, run_id)
    if as_json:
        files = RunFiles(work.runs)
        has_export = "json" in files.formats(run.kind)
        exported = json.loads(await files.data(run.kind, run_id, "json")) if has_export else None
        print_json({"run": run, "export": exported})
        return
    lines = [_line(run), *([f"models: {', '.join(run.models)}"] if run.models else [])]
    lines += [f"tags: {', '.join(run.tags)}"] * bool(run.tags) + [f"note: {run.note}"] * bool(run.note)
    for line in (*lines, f"read it: llm-cooperation export {run_id} --format markdown --output -"):
        output.print(line)


async def stored(work: Services, run_id: str) -> RunSummary:
    """Raises RunNotFoundError."""
    found = await work.runs.list(RunFilter(ids=(run_id,)), 1)
    if not found:
        raise RunNotFoundError(f"there is no run {run_id!r}; see: llm-cooperation runs list")
    return found[0]


async def stop_run(run_id: str, as_json: bool) -> None:
    """Raises ConfigurationError: no workbench runs; ModelNotFoundError: it has no such run."""
    async with the_running("nothing is at work that could be stopped") as there:
        found = await there.post(f"/api/runs/{run_id}/stop", {})
    say(f"{run_id}: {found['status']}", as_json, {"run_id": run_id, "state": found["status"]})


async def delete_runs(work: Services, run_ids: Sequence[str], as_json: bool) -> bool:
    deleted = await work.runs.delete(run_ids)
    if as_json:
        print_json({"deleted": deleted})
    messages.print(f"deleted: {deleted} of {len(run_ids)}")
    return deleted > 0


async def mark_run(
    work: Services, run_id: str, title: str | None, note: str | None, tags: Sequence[str] | None, as_json: bool
) -> None:
    """Keep what is given; the rest stays. Raises RunNotFoundError, ConfigurationError: too long or too many."""
    await stored(work, run_id)
    if title is not None:
        work.store.marks.rename(run_id, title)
    if note is not None:
        work.store.marks.set_note(run_id, note)
    if tags is not None:
        work.store.marks.set_tags(run_id, tags)
    run = await stored(work, run_id)
    if as_json:
        print_json({"run_id": run.id, "title": run.title, "tags": list(run.tags), "note": run.note})
        return
    output.print(_line(run))
    for line in (f"tags: {', '.join(run.tags)}", f"note: {run.note}"):
        output.print(line)


async def archive_runs(
    work: Services, run_ids: Sequence[str], to: Path, format: str, language: str, as_json: bool
) -> None:
    """Raises ConfigurationError: too many runs, or an unknown format or language."""
    name = SHORT.get(format, format)
    if name not in ARCHIVED_AS:
        raise ConfigurationError(f"no archive of {format!r}; formats are {', '.join(ARCHIVED_AS)}")
    data = await RunFiles(work.runs).archive(run_ids, name, language_of(language))
    path = to.expanduser()
    write_atomically(path, data)
    told = {"written": str(path), "runs": len(run_ids), "size_bytes": len(data)}
    say(f"written: {path}; what is not in it is named in its left-out.txt", as_json, told)
