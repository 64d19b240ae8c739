"""``/cooperation/task``: a question to several models together, without any of the standards' forms."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.cooperation.scheduler import finished
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.source import figures_of
from multi_llm_comparator.cooperation.spec import MAX_MEMBERS, PREFIX, CooperationSpec, checked_spec
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.server.api.answers import ServedAnswer, check_temperature, tokens_within
from multi_llm_comparator.server.api.calls import served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Count, Form, Name, Share, Temperature, Text, example
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import Meter, refuse_models
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Queries"])
TaskMode = Literal["sequential", "parallel", "voting", "pipeline", "ensemble", "cascade", "council"]


class TaskForm(Form):
    """``POST /cooperation/task``. Its first four fields may stand in the query instead."""

    model_config = example({"query": "How many legs have 3 cats?", "mode": "voting", "models": ["a", "b", "c"]})

    query: Annotated[Text, Field(min_length=1)] = Field(description="the question")
    mode: TaskMode = Field(default="parallel", description="how they work together")
    models: Annotated[list[Name], Field(max_length=MAX_MEMBERS)] = Field(
        default=[], description="who takes part; those of `cooperate:MODE` if absent"
    )
    integration_strategy: Annotated[str, Field(max_length=60)] = Field(
        default="",
        description="`ensemble`, `majority`, `best`, `concatenation`, `last`, `first`; the mode's own if absent",
    )
    voting_rounds: Annotated[int, Field(ge=1, le=5)] = Field(default=1, description="rounds of votes, layers otherwise")
    samples: Annotated[int, Field(ge=1, le=16)] = 1
    agreement: Annotated[Share, Field(gt=0)] = Field(default=1.0, description="of a cascade's small models")
    integrator: Annotated[str, Field(max_length=300)] = Field(default="", description="who combines answers")
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] | None = None
    max_tokens: Count | None = None
    temperature: Temperature = 0.7


@router.post("/cooperation/task")
async def cooperation_task(
    request: Request,
    query: Annotated[str | None, Query(min_length=1, max_length=100_000)] = None,
    mode: Annotated[TaskMode, Query()] = "parallel",
    models: Annotated[list[Name] | None, Query(max_length=MAX_MEMBERS)] = None,
    integration_strategy: Annotated[str, Query(max_length=60)] = "",
    form: Annotated[TaskForm | None, Body()] = None,
) -> Response:
    """Have several models answer one question together, and wait for it. A client that leaves stops all of them."""
    if form is None:
        if query is None:
            raise ApiError("'query' is missing, in the address or in the body", param="query")
        form = TaskForm(query=query, mode=mode, models=models or [], integration_strategy=integration_strategy)
    served = await served_by(request)
    if served.cooperations is None or served.saved_cooperations is None:
        raise ApiError("this server keeps no runs, and cooperations are runs", 501, code="not_implemented")
    try:
        spec = _spec(form, served)
    except ConfigurationError as exc:
        raise ApiError(str(exc)) from exc
    refuse_models(caller_of(request.scope), [*form.models, form.integrator])
    began_at = time.monotonic()
    found = await _metered(request, served, spec)
    return JSONResponse(
        {
            "result": found.answer,
            "mode": found.spec.mode,
            "models": [member.target for member in found.spec.members],
            "integration_strategy": found.outcome.made_by if found.outcome else None,
            "processing_time": time.monotonic() - began_at,
            **figures_of(found),
        }
    )


def _spec(form: TaskForm, served: Served) -> CooperationSpec:
    check_temperature(form.temperature)
    config = ModelConfig(
        temperature=form.temperature, max_tokens=tokens_within(form.max_tokens, "max_tokens"), n_ctx=served.n_ctx
    )
    more: dict[str, Any] = {
        "integration": form.integration_strategy,
        "rounds": form.voting_rounds,
        "samples": form.samples,
        "agreement": form.agreement,
        "integrator": form.integrator,
        "deadline_s": form.deadline_s,
        "config": config,
    }
    if form.models:
        members = tuple({"target": model} for model in form.models)
        return checked_spec(mode=form.mode, members=members, question=form.query, **more)
    assert served.saved_cooperations is not None
    # What the request leaves open is as it was saved.
    usual = {"integration": "", "rounds": 1, "samples": 1, "agreement": 1.0, "integrator": "", "deadline_s": None}
    asked = {name: value for name, value in more.items() if name not in usual or value != usual[name]}
    return served.saved_cooperations.load(form.mode, form.query, **asked)


async def _metered(request: Request, served: Served, spec: CooperationSpec) -> CooperationSnapshot:
    """The finished cooperation, counted for the caller as one request to ``cooperate:MODE``."""
    assert served.cooperations is not None
    meter = Meter(served, request, f"{PREFIX}{spec.mode}")
    asked = GenerationRequest(messages=(Message("user", spec.question),), config=spec.config)
    await meter.admit([asked])
    answer = ServedAnswer()
    with meter.counting([answer]):
        try:
            with meter.acting():
                found = await unless_left(request.receive, served.there(finished(served.cooperations, spec)))
        except ConfigurationError as exc:
            raise ApiError(str(exc)) from exc
        answer.took(asked.id, found.prompt_tokens, found.tokens, found.cost_usd)
    return found
