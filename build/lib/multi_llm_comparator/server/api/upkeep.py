"""For who watches the server: ``/health``, ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from multi_llm_comparator.server.guard import HEALTH
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Upkeep"])


@router.get(HEALTH)
async def health() -> Response:
    """Whether the server is there; anybody may ask."""
    return PlainTextResponse("ok")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """The gateway's figures for Prometheus: counts and times by the names of models and groups, no texts, no keys."""
    served: Served = request.app.state.served()

    async def render() -> bytes:
        return served.gateway.parts.metrics.render()

    # They are read on the event loop that changes them.
    return Response(await served.there(render()), media_type=CONTENT_TYPE_LATEST)
