"""The API on a real socket, over whatever a test lets answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.applications.sources import Documents, ServiceSources
from multi_llm_comparator.cooperation.available import available_members
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.source import CooperationSource
from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.metered import Metered
from multi_llm_comparator.groups.named_answers import NamedAnswers
from multi_llm_comparator.plans.plan_source import PlanSource
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.saved import PREFIX as PLAN
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.server.api.application import make_api
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import UsageWriter
from tests.support.gateways import PATIENCE_S, ActingSource, Given, assert_nothing_held


@dataclass
class ServedApi:
    """``source`` answers in place of local models, unless the test gave models of its own."""

    url: str
    http: httpx2.AsyncClient
    source: ActingSource
    gateway: Gateway

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.http.post(path, json=body)

    async def chat(self, text: str = "hi", **body: Any) -> httpx2.Response:
        return await self.post(
            "/v1/chat/completions", **{"model": "m", "messages": [{"role": "user", "content": text}], **body}
        )


@contextlib.asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """``app`` behind uvicorn on a free port; its address.

    Started and ended as uvicorn does itself, but for the tenths of a second that it sleeps before it looks whether it
    should end, and then whether it has.
    """
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        await server.startup(sockets=[held])
        await server.on_tick(0)
        try:
            yield f"http://127.0.0.1:{held.getsockname()[1]}"
        finally:
            await _end(server)


async def _end(server: uvicorn.Server) -> None:
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    ends_at = asyncio.get_running_loop().time() + ENDS_WITHIN_S
    while server.server_state.connections or server.server_state.tasks:
        if asyncio.get_running_loop().time() > ends_at:
            break
        await asyncio.sleep(0.002)
    for listener in server.servers:
        await listener.wait_closed()


# Who still hangs on then is let go with the event loop of the test.
ENDS_WITHIN_S = 0.3
# By their bounds: to declare all its paths takes an API longer than most tests of it.
_idle: dict[tuple[tuple[str, int], ...], list[FastAPI]] = defaultdict(list)


@contextlib.asynccontextmanager
async def api_over(served: Served, bounds: dict[str, int]) -> AsyncIterator[FastAPI]:
    """An API that answers with ``served``, and nobody else's meanwhile."""
    idle = _idle[tuple(sorted(bounds.items()))]
    api = idle.pop() if idle else make_api(lambda: served, **bounds)  # type: ignore[arg-type]
    api.state.served = lambda: served
    yield api
    idle.append(api)


@contextlib.asynccontextmanager
async def served_api(
    folder: Path,
    *,
    config: dict[str, Any] | str | None = None,
    local: TextSource | None = None,
    models: ModelManager | None = None,
    engine: InferenceEngine | None = None,
    wrapped: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    default_model: str = "",
    store: Store | None = None,
    **bounds: int,
) -> AsyncIterator[ServedApi]:
    """The API over ``local`` (a source that acts as told, by default); afterwards nothing is held by anybody."""
    source = ActingSource()
    models = models or ModelManager(folder / "models")
    models.scan_models()
    engine = engine or InferenceEngine(models=models)
    gateway = Gateway(TaskGroupManager(Given(config or {})), local or source, folder=folder / "gateway")
    usage = UsageWriter(store.usage, 90) if store is not None else None
    asked: TextSource = gateway if usage is None else Metered(gateway, gateway, usage, models.unique_name)
    served = Served(
        models=models,
        engine=engine,
        gateway=gateway,
        loop=asyncio.get_running_loop(),
        default_model=default_model,
        store=store,
        usage=usage,
        answers=NamedAnswers(asked, {}),
    )
    if store is not None:
        served = _with_runs(served, asked, store, folder)
    try:
        async with (
            api_over(served, bounds) as api,
            listening(wrapped(api)) as url,
            httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S, trust_env=False) as http,
        ):
            yield ServedApi(url, http, source, gateway)
            await until(lambda: not source.running.total())
        assert_nothing_held(gateway)
    finally:
        if served.runs is not None:
            await served.runs.aclose()
        await gateway.aclose()
        await engine.aclose()
        if usage is not None:
            await usage.aclose()


def served_models(folder: Path, **given: Any) -> contextlib.AbstractAsyncContextManager[ServedApi]:
    """The API over the models in ``folder / "models"``, which really answer."""
    models = ModelManager(folder / "models")
    engine = InferenceEngine(models=models)
    return served_api(folder, models=models, engine=engine, local=engine, **given)


def _with_runs(served: Served, asked: TextSource, store: Store, folder: Path) -> Served:
    """With all kinds of runs that the API starts."""
    runs = RunRegistry(store)
    plans, cooperations = PlanRegistry(runs, asked), CooperationRegistry(runs, asked)
    saved = SavedCooperations(lambda: available_members(served.models, served.gateway.groups))
    answers = NamedAnswers(asked, {PLAN: PlanSource(plans), COOPERATE: CooperationSource(cooperations, saved)})
    return replace(
        served,
        runs=runs,
        plans=plans,
        cooperations=cooperations,
        saved_cooperations=saved,
        answers=answers,
        calibration=Calibration(plans),
        applications=ServiceRegistry(runs, ServiceSources(answers, Documents(folder / "services"))),
    )


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.005)


def frames(text: str) -> list[str]:
    """The data of server-sent events."""
    return [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
