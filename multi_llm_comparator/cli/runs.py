"""What ``llm-cooperation runs`` does: stored runs of every kind, from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.core.exceptions import RunNotFoundError
from multi_llm_comparator.core.plain_text import plain
from multi_llm_comparator.core.readable import cut_line, iso_time
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.wiring import Services

TITLE_CHARS = 80


async def list_runs(work: Services, wanted: Mapping[str, Any], limit: int, as_json: bool) -> bool:
    found = await work.runs.list(RunFilter(**wanted), limit)
    if as_json:
        print_json(found)
        return True
    if not found:
        messages.print("no run fits" if any(wanted.values()) else "there are no runs")
    for run in found:
        output.print(plain(_line(run)))
    return True


def _line(run: RunSummary) -> str:
    made_for = f"  for {run.caller}" if run.caller else ""
    title = cut_line(run.title, TITLE_CHARS)
    return f"{run.id}  {iso_time(run.created_at)}  {run.status:<12}  {run.kind:<12}  {title}{made_for}"


async def show_run(work: Services, run_id: str, as_json: bool) -> bool:
    """Raises RunNotFoundError."""
    run = next(iter(await work.runs.list(RunFilter(ids=(run_id,)), 1)), None)
    if run is None:
        raise RunNotFoundError(f"there is no run {run_id!r}; see: llm-cooperation runs list")
    if as_json:
        files = RunFiles(work.runs)
        has_export = "json" in files.formats(run.kind)
        exported = json.loads(await files.data(run.kind, run_id, "json")) if has_export else None
        print_json({"run": run, "export": exported})
        return True
    lines = [_line(run), *([f"models: {', '.join(run.models)}"] if run.models else [])]
    lines += [f"tags: {', '.join(run.tags)}"] * bool(run.tags) + [f"note: {run.note}"] * bool(run.note)
    for line in (*lines, f"read it: llm-cooperation export {run_id} --format markdown --output -"):
        output.print(plain(line))
    return True


async def delete_runs(work: Services, run_ids: Sequence[str], as_json: bool) -> bool:
    deleted = await work.runs.delete(run_ids)
    if as_json:
        print_json({"deleted": deleted})
    messages.print(f"deleted: {deleted} of {len(run_ids)}")
    return deleted > 0
