"""``/query``: a question and its answer without any of the standards' forms, from who suits it best."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.cooperation.spec import Mode
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.routing import IntelligentRouter, RoutingDecision, targets_of
from multi_llm_comparator.server.api.answers import ServedAnswer, tokens_within
from multi_llm_comparator.server.api.calls import served_by, whole_answer
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import (
    Count,
    Form,
    ImageAddress,
    Name,
    Several,
    Share,
    Text,
    example,
)
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.metering import counted
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Queries"])
# From here on a failure is of who was asked, not of the question: somebody else may answer it.
SERVER_SIDE = 500
MAX_IMAGES = 16
Weight = Annotated[float, Field(ge=0, le=1000)]


class Preferences(Form):
    """How a question is answered."""

    strategy: Literal["auto", "direct"] | Mode = Field(
        default="auto",
        description="`auto`: whoever suits the question best; `direct`: `model`; or a mode of cooperation by its name",
    )
    model: Name | None = Field(default=None, description="who is asked, in place of whoever would be chosen")
    max_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    temperature: Share = Field(default=0.7, description="0 (greedy) to 1")
    quality_priority: Share | None = Field(
        default=None, description="1 looks at quality alone, 0 at cost and latency alone"
    )
    cost: Weight | None = Field(default=None, description="the weight of cost against latency")
    latency: Weight | None = Field(default=None, description="the weight of latency against cost")

    @property
    def weights(self) -> dict[str, Any]:
        return {"quality_priority": self.quality_priority, "cost": self.cost, "latency": self.latency}


class QueryForm(Form):
    """``POST /query``."""

    model_config = example({"query": "What is 12 + 30?", "preferences": {"strategy": "auto", "quality_priority": 0.8}})
    ignored: ClassVar = frozenset({"user_id"})

    query: Annotated[Text, Field(min_length=1)] = Field(description="the question")
    images: Annotated[Several[ImageAddress], Field(max_length=MAX_IMAGES)] = Field(
        default=[], description="what the question is about, as `https:` or `data:` URLs; a model that sees is asked"
    )
    preferences: Preferences = Field(default=Preferences(), description="how it is answered")


@router.post("/query")
async def query(form: QueryForm, request: Request) -> Response:
    """Answer one question; the answer says who was chosen and why."""
    wanted, served = form.preferences, await served_by(request)
    if (named := _named(wanted, served)) is not None:
        return await _answered(form, request, served, named, None, ())
    routing = router_of(served)
    decision = await _decided(form, request, served, routing)
    routing.counts.asked(decision)
    began, answered, failed = time.monotonic(), False, list[str]()
    targets = targets_of(decision)
    try:
        for target in targets:
            try:
                response = await _answered(form, request, served, target, decision, failed)
                answered = True
                return response
            except ApiError as exc:
                if exc.status < SERVER_SIDE or target == targets[-1]:
                    raise
                failed.append(f"{target!r} was asked first and failed: {exc.message}")
        raise AssertionError("a decision names somebody")
    finally:
        routing.counts.ended(time.monotonic() - began, answered=answered, fell_back=answered and bool(failed))


@router.post("/query/decision")
async def query_decision(form: QueryForm, request: Request) -> dict[str, Any]:
    """Who would answer a question, and why, without asking anybody."""
    served = await served_by(request)
    if (named := _named(form.preferences, served)) is not None:
        return {"target": named, "kind": "model", "reasons": [f"{named!r} was named"], "alternatives": []}
    async with counted(served, request, ""):
        return (await _decided(form, request, served, router_of(served))).to_dict()


@router.get("/query/statistics")
async def query_statistics(request: Request) -> dict[str, Any]:
    """What became of routed questions since the start, by strategy, task and target."""
    served: Served = request.app.state.served()
    return router_of(served).get_routing_stats()


def router_of(served: Served) -> IntelligentRouter:
    """The workbench's, or one over what is served."""
    if served.router is not None:
        return served.router
    from multi_llm_comparator.routing.surroundings import surroundings

    return IntelligentRouter(
        surroundings(
            gateway=served.gateway,
            models=served.models,
            engine=served.engine,
            answers=served.answers or served.gateway,
            saved=served.saved_cooperations,
        )
    )


def _named(wanted: Preferences, served: Served) -> str | None:
    """Who is asked without looking at the question; None where it is looked at.

    Raises:
        ApiError: the strategy needs a name.
    """
    if wanted.model:
        return wanted.model
    if wanted.strategy == "direct":
        if not served.default_model:
            raise ApiError("the strategy 'direct' needs preferences.model", param="preferences.model")
        return served.default_model
    if wanted.strategy != "auto":
        return f"{COOPERATE}{wanted.strategy}"
    # Whoever starts the server with a model means it, where the question does not ask for a choice.
    return None if "strategy" in wanted.model_fields_set else served.default_model or None


async def _decided(form: QueryForm, request: Request, served: Served, routing: IntelligentRouter) -> RoutingDecision:
    among = caller_of(request.scope).limits.may_ask

    async def decide() -> RoutingDecision:
        return routing.decide(form.query, has_images=bool(form.images), among=among, **form.preferences.weights)

    try:
        return await served.there(decide())
    except MultiLLMError as exc:
        raise ApiError(f"{exc} (GET /v1/models lists who is there)", 404, code="model_not_found") from exc


async def _answered(
    form: QueryForm,
    request: Request,
    served: Served,
    target: str,
    decision: RoutingDecision | None,
    failed: list[str] | tuple[()],
) -> Response:
    wanted = form.preferences
    config = ModelConfig(
        temperature=wanted.temperature,
        max_tokens=tokens_within(wanted.max_tokens, "preferences.max_tokens"),
        n_ctx=served.n_ctx,
    )
    asked = GenerationRequest(messages=(Message("user", form.query, tuple(form.images)),), config=config)
    began = time.monotonic()

    def written(target: str, answers: list[ServedAnswer]) -> dict[str, Any]:
        (answer,) = answers
        body = {
            "result": answer.whole_text,
            "processing_time": time.monotonic() - began,
            "strategy_used": _strategy(target, decision),
            "model": target,
            "answered_by": answer.model or target,
            "tokens": answer.completion_tokens,
            "is_cut": answer.is_cut,
        }
        if decision is None:
            return body
        why = [*decision.reasons, *failed]
        return {**body, "task_type": decision.task_type, "complexity": decision.complexity, "why": why}

    return await whole_answer(request, target, [asked], written)


def _strategy(target: str, decision: RoutingDecision | None) -> str:
    """In a word how it was answered."""
    if target.startswith(COOPERATE):
        return target.removeprefix(COOPERATE)
    return "direct" if decision is None else f"auto:{'group' if decision.kind == 'group' else 'model'}"
