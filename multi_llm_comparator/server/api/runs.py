"""Stored runs and those at work: ``/api/runs``. A key is shown its own, with the scope ``admin`` everybody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from multi_llm_comparator.core.callers import acting_for, current_caller
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    MultiLLMError,
)
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.server.api.calls import EVENT_STREAM, as_event, as_json
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.leaving import Streamed
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.tracking.records import ACTIVE, RunFilter, RunSummary

router = APIRouter(prefix="/api/runs", tags=["Runs"])
MAX_LISTED = 200
POLL_S, KEEP_ALIVE_S = 0.25, 15.0
RunId = Annotated[str, Query(max_length=64)]
Short = Annotated[str | None, Query(max_length=500)]


def _runs(request: Request) -> tuple[Served, RunRegistry]:
    served: Served = request.app.state.served()
    if served.runs is None:
        raise ApiError("this server keeps no runs", 501, code="not_implemented")
    return served, served.runs


@router.get("")
async def list_runs(
    request: Request,
    kind: Short = None,
    state: Short = None,
    model: Short = None,
    tag: Short = None,
    caller: Short = None,
    text: Short = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> dict[str, Any]:
    """The newest first; every filter that is given must fit. ``caller`` is the id of a key: who has not the scope
    ``admin`` is shown its own runs whatever it says."""
    served, runs = _runs(request)
    states = (state,) if state else ()
    wanted = RunFilter(
        kind=kind or None, states=states, model=model or None, tag=tag or None, caller=caller or None, text=text or ""
    )
    found = await _told(served, runs.list(wanted, limit, offset))
    total = await _told(served, runs.count(wanted))
    return {"object": "list", "data": [_summary(run) for run in found], "total": total}


@router.get("/{run_id}")
async def get_run(run_id: str, request: Request) -> Response:
    """One run with all that its export as JSON has."""
    served, runs = _runs(request)
    summary = await _found(served, runs, run_id)
    files, head = RunFiles(runs), as_json(_summary(summary))
    if "json" in files.formats(summary.kind):
        # It may have tens of megabytes, and is JSON already.
        data = await _told(served, files.data(summary.kind, run_id, "json"))
        head = head[:-1] + b',"export":' + data + b"}"
    return Response(head, media_type="application/json")


@router.get("/{run_id}/events")
async def follow_run(run_id: str, request: Request) -> Response:
    """Its state whenever it changes, as server-sent events; the last one is called ``end``."""
    served, runs = _runs(request)
    await _found(served, runs, run_id)

    async def look() -> tuple[dict[str, Any], int]:
        run = await runs.get(run_id, LiveRun)  # type: ignore[type-abstract]
        state = {"id": run.id, "kind": run.kind, "title": run.title, "state": run.state, "phase": run.phase}
        return state, run.version

    async def events() -> AsyncGenerator[bytes, None]:
        told: tuple[dict[str, Any], int] | None = None
        quiet_s = 0.0
        while True:
            try:
                now = await served.there(look())
            except MultiLLMError as exc:
                yield as_event({"error": str(exc)}, "error")
                return
            if now != told:
                state, version = told = now
                is_over = state["state"] not in ACTIVE
                yield as_event({**state, "version": version}, "end" if is_over else "run")
                if is_over:
                    return
                quiet_s = 0.0
            elif quiet_s >= KEEP_ALIVE_S:
                yield b": still at work\n\n"
                quiet_s = 0.0
            await asyncio.sleep(POLL_S)
            quiet_s += POLL_S

    return Streamed(events(), EVENT_STREAM)


@router.post("/{run_id}/stop")
async def stop_run(run_id: str, request: Request) -> dict[str, Any]:
    """End what runs; what is there stays."""
    served, runs = _runs(request)
    await _found(served, runs, run_id)
    await _told(served, runs.stop(run_id))
    return _summary(await _found(served, runs, run_id))


@router.post("/{run_id}/resume")
async def resume_run(run_id: str, request: Request) -> dict[str, Any]:
    """Go on with what was stopped; nothing that is finished is repeated."""
    served, runs = _runs(request)
    await _found(served, runs, run_id)
    # Nobody further out counts what is asked from now on.
    with acting_for(current_caller()):
        await _told(served, runs.resume(run_id, LiveRun))
    return _summary(await _found(served, runs, run_id))


@router.get("/{run_id}/export")
async def export_run(
    run_id: str, request: Request, format: Annotated[str, Query(max_length=20)] = "json", language: Language = "en"
) -> Response:
    """The run as a file: json, csv, markdown or html; of a plan also svg or xml."""
    served, runs = _runs(request)
    await _found(served, runs, run_id)
    file = await _told(served, RunFiles(runs).export(run_id, format, language))
    plain = file.name.encode("ascii", "replace").decode().replace('"', "_").replace("?", "_")
    return Response(
        file.data,
        media_type=file.media_type,
        headers={"Content-Disposition": f'attachment; filename="{plain}"', "Content-Security-Policy": "sandbox"},
    )


async def _found(served: Served, runs: RunRegistry, run_id: str) -> RunSummary:
    found: list[RunSummary] = await _told(served, runs.list(RunFilter(ids=(run_id[:64],)), 1))
    if not found:
        raise ApiError(f"there is no run {run_id[:64]!r}; GET /api/runs lists them", 404, code="run_not_found")
    return found[0]


async def _told(served: Served, work: Any) -> Any:
    """The result of work on the runs' event loop. What it cannot be asked for is the client's mistake."""
    try:
        return await served.there(work)
    except ConfigurationError as exc:
        raise ApiError(str(exc), code="invalid_value") from exc


def _summary(run: RunSummary) -> dict[str, Any]:
    return {
        "object": "run",
        **{name: getattr(run, name) for name in ("id", "kind", "title", "detail", "status", "phase")},
        **{name: getattr(run, name) for name in ("created_at", "updated_at", "origin", "parent_id", "caller", "note")},
        "models": list(run.models),
        "tags": list(run.tags),
        "owner": asdict(run.owner) if run.owner is not None else None,
    }
