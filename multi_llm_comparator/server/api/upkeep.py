"""For who watches the server: ``/health``, ``/metrics``."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, PlainTextResponse, Response

from multi_llm_comparator import __version__
from multi_llm_comparator.core import readable
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.guard import HEALTH
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Upkeep"])


@router.get(HEALTH)
async def health(request: Request) -> Response:
    """Whether the server is there; anybody may ask. JSON for who wants it."""
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"status": "ok"})
    return PlainTextResponse("ok")


@router.get("/status")
async def status(request: Request) -> dict[str, Any]:
    """How it goes since the start: the share of requests that were answered, models in memory, requests, time."""
    served: Served = request.app.state.served()

    async def look() -> dict[str, Any]:
        return served.gateway.get_statistics()

    may_ask = caller_of(request.scope).limits.may_ask
    counted = await served.there(look())
    success = counted["success_rate"]
    uptime_s = now() - counted["since"]
    return {
        "system_health": 1.0 if success is None else success,
        "active_models": [
            model.name for model in served.engine.loaded_models() if model.state != "loading" and may_ask(model.name)
        ],
        "total_requests": sum(counted["requests"].values()),
        "uptime": readable.seconds(uptime_s, "en"),
        "uptime_s": round(uptime_s, 1),
        "success_rate": success,
        "fallbacks": sum(counted["fallbacks"].values()),
        "models": {name: dict(counts) for name, counts in counted["models"].items() if may_ask(name)},
        "version": __version__,
    }


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The gateway's figures for Prometheus: counts and times by the names of models and groups, no texts, no keys."""
    served: Served = request.app.state.served()

    async def render() -> bytes:
        return served.gateway.parts.metrics.render()

    # They are read on the event loop that changes them.
    return Response(await served.there(render()), media_type=CONTENT_TYPE_LATEST)
