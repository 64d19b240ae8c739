"""``/api/memory``: what is in memory, loaded and unloaded by hand, and how each model is kept; for the command line.

For admins alone, as the Models page is.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from multi_llm_comparator.core.config import MAX_CONTEXT, MIN_CONTEXT
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.core.settings import ModelServing, get_settings, reload_settings
from multi_llm_comparator.server.api.calls import served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Form, Name, example
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.keeping import changed_keeping, save_keeping
from multi_llm_comparator.services.loaded_model import LoadedModel

Short = Annotated[str, Field(max_length=200)]
router = APIRouter(tags=["Models in memory"])


class LoadForm(Form):
    """``POST /api/memory/load``."""

    model_config = example({"model": "SmolLM2-135M", "n_ctx": 2048})
    model: Name
    n_ctx: Annotated[int, Field(ge=MIN_CONTEXT, le=MAX_CONTEXT)] | None = None


class UnloadForm(Form):
    """``POST /api/memory/unload``. ``force`` ends the requests that the model is answering."""

    model_config = example({"model": "SmolLM2-135M"})
    model: Name
    force: bool = False


class KeepForm(Form):
    """``POST /api/memory/keep``. What is absent stays as it is; what ``as_all`` names is as for all models again."""

    model_config = example({"model": "SmolLM2-135M", "pinned": True})
    model: Name
    pinned: bool | None = None
    at_start: bool | None = None
    idle_unload_s: Annotated[float, Field(ge=0)] | None = None
    slots: Annotated[int, Field(ge=1)] | None = None
    as_all: Annotated[list[Short], Field(default_factory=list, max_length=8)]


class MoveForm(Form):
    """``POST /api/jobs/{run_id}/move``. Without ``before`` it is the last one."""

    model_config = example({"before": "4f1c2a9b03de"})
    before: Short | None = None


class AnewForm(Form):
    """``POST /api/anew``: another program has changed the settings, the files of models, or keys of endpoints."""

    model_config = example({"settings": True})
    settings: bool = False
    models: bool = False
    keys: Annotated[list[Short], Field(default_factory=list, max_length=100)]


async def _served(request: Request) -> Served:
    """Raises ApiError: 403 for who is no admin."""
    caller = caller_of(request.scope)
    if not caller.is_admin:
        raise ApiError(f"the key {caller.name!r} has not the scope 'admin', which this needs", 403)
    return await served_by(request)


@router.get("/api/memory")
async def in_memory(request: Request) -> dict[str, Any]:
    """The models in memory: what they take, what they are asked with, how they are kept."""
    served = await _served(request)
    loaded = await served.there(_loaded(served))
    return {"models": [_told_of(served, one) for one in loaded]}


@router.post("/api/memory/load")
async def load(form: LoadForm, request: Request) -> dict[str, Any]:
    """Load a model ahead of its first question, with the parameters that its makers recommend."""
    served = await _served(request)
    model = served.models.get(form.model)
    config = recommended(model)
    if form.n_ctx is not None:
        config = replace(config, n_ctx=form.n_ctx)
    await unless_left(request.receive, served.there(served.engine.load(model.id, config)))
    loaded = await served.there(_loaded(served))
    return {"models": [_told_of(served, one) for one in loaded if one.model_id == model.loaded_as.id]}


@router.post("/api/memory/unload")
async def unload(form: UnloadForm, request: Request) -> dict[str, Any]:
    """Take a model out of memory at once."""
    served = await _served(request)
    model = served.models.get(form.model).loaded_as
    there = [one for one in await served.there(_loaded(served)) if one.model_id == model.id]
    if not form.force and (busy := sum(one.active for one in there)):
        raise ApiError(f"{model.name!r} is answering {busy} requests; wait, or end them with 'force'", 409, code="busy")
    await served.there(served.engine.unload(model.id))
    return {"model": model.name, "unloaded": len(there)}


@router.post("/api/memory/keep")
async def keep(form: KeepForm, request: Request) -> dict[str, Any]:
    """Say how a model is kept; it holds at once, and is written to the settings."""
    served = await _served(request)
    target = served.models.unique_name(served.models.get(form.model).id)
    try:
        own = changed_keeping(target, form.model_dump(exclude={"model", "as_all"}, exclude_none=True), form.as_all)
        settings = await asyncio.to_thread(save_keeping, target, own)
    except ConfigurationError as exc:
        raise ApiError(str(exc)) from exc
    await served.there(served.engine.follow(settings))
    return {"model": target, **own.model_dump()}


@router.post("/api/jobs/{run_id}/move")
async def move_job(run_id: str, form: MoveForm, request: Request) -> dict[str, Any]:
    """Give a waiting job another place in the queue."""
    served = await _served(request)
    if served.jobs is None:
        raise ApiError("this server has no queue of jobs", 501, code="not_implemented")
    await served.there(served.jobs.move(run_id, form.before))
    return {"queue": [run.id for run in served.jobs.queue]}


@router.post("/api/anew")
async def anew(form: AnewForm, request: Request) -> dict[str, Any]:
    """Take over what another program has changed."""
    served = await _served(request)
    if form.settings:
        settings = await asyncio.to_thread(reload_settings)
        await served.there(served.engine.take_settings(settings))
    if form.settings or form.models:
        await asyncio.to_thread(served.models.scan_models)
    for name in form.keys:
        await served.there(_key_changed(served, name))
    return form.model_dump()


async def _loaded(served: Served) -> list[LoadedModel]:
    return served.engine.loaded_models()


async def _key_changed(served: Served, name: str) -> None:
    served.gateway.parts.endpoints.key_changed(f"store:{name}")


def _told_of(served: Served, one: LoadedModel) -> dict[str, Any]:
    target = served.models.unique_name(one.model_id)
    own = get_settings().model_serving.get(target) or ModelServing()
    return {
        "id": one.model_id,
        "model": target,
        "state": one.state,
        "memory_bytes": one.memory_bytes or one.estimated_bytes,
        "is_measured": one.memory_bytes is not None,
        "active": one.active,
        "device": one.device,
        "n_ctx": one.options.n_ctx,
        "slots": one.slots,
        "tokens_per_s_together": one.speeds,
        "idle_since": one.idle_since,
        "kept": own.model_dump(),
    }
