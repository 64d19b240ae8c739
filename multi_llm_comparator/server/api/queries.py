"""``/query``: a question and its answer without any of the standards' forms."""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.groups.targets import ASKED_FIRST
from multi_llm_comparator.server.api.answers import Answer, tokens_within
from multi_llm_comparator.server.api.calls import served_by, whole_answer
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Count, Form, Name, Share, Text, example
from multi_llm_comparator.server.api.models import offers
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["Queries"])


class Preferences(Form):
    """``quality_priority`` weighs models against each other, which nothing does yet."""

    ignored: ClassVar = frozenset({"quality_priority"})

    strategy: Literal["auto", "direct"] = Field(
        default="auto", description="`direct` asks `model`; `auto` asks it too, or where none is named what there is"
    )
    model: Name | None = Field(default=None, description="who is asked")
    max_tokens: Count | None = Field(default=None, description="tokens of the answer at most")
    temperature: Share = Field(default=0.7, description="0 (greedy) to 1")


class QueryForm(Form):
    """``POST /query``."""

    model_config = example({"query": "What is 12 + 30?", "preferences": {"strategy": "auto"}})
    ignored: ClassVar = frozenset({"user_id"})

    query: Annotated[Text, Field(min_length=1)] = Field(description="the question")
    preferences: Preferences = Field(default=Preferences(), description="how it is answered")


@router.post("/query")
async def query(form: QueryForm, request: Request) -> Response:
    """Answer one question."""
    wanted = form.preferences
    served = await served_by(request)
    model = wanted.model or served.default_model or _anybody(served)
    if wanted.strategy == "direct" and not (wanted.model or served.default_model):
        raise ApiError("the strategy 'direct' needs preferences.model", param="preferences.model")
    config = ModelConfig(
        temperature=wanted.temperature,
        max_tokens=tokens_within(wanted.max_tokens, "preferences.max_tokens"),
        n_ctx=served.n_ctx,
    )
    asked = GenerationRequest(messages=(Message("user", form.query),), config=config)
    began_at = time.monotonic()

    def written(target: str, answers: list[Answer]) -> dict[str, Any]:
        (answer,) = answers
        return {
            "result": answer.whole_text,
            "processing_time": time.monotonic() - began_at,
            "strategy_used": "direct",
            "model": target,
            "answered_by": answer.model or target,
            "tokens": answer.completion_tokens,
            "is_cut": answer.is_cut,
        }

    return await whole_answer(request, model, [asked], written)


def _anybody(served: Served) -> str | None:
    """Who answers where nobody is named. Which model suits a question best is not looked at."""
    listed = offers(served)
    return next((one.name for kind in ASKED_FIRST for one in listed if one.kind == kind), None)
