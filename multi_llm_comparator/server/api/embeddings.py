"""``/v1/embeddings`` and Ollama's ``/api/embed`` and ``/api/embeddings``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Request
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.embeddings import EmbedResult, Tokens, packed
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.groups.embedding import GatewayEmbedder
from multi_llm_comparator.server.api.answers import ServedAnswer, target_of
from multi_llm_comparator.server.api.calls import as_json, served_by
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.forms import Form, Name, Several, Text, as_list, example
from multi_llm_comparator.server.api.ollama_forms import plain_name
from multi_llm_comparator.server.api.openai_forms import HINTS
from multi_llm_comparator.server.api.plan_models import is_run
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import Meter
from multi_llm_comparator.server.serving import Served

router = APIRouter(tags=["OpenAI"])
ollama_router = APIRouter(prefix="/api", tags=["Ollama"])
# As many as OpenAI takes.
MAX_INPUTS, MAX_IDS = 2048, 300_000
# Vectors.
WRITTEN_AT_ONCE = 32
TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Ids = Annotated[Several[TokenId], Field(min_length=1, max_length=MAX_IDS)]
Input = Annotated[str, Field(min_length=1, max_length=8 * 2**20)]


def as_inputs(value: Any) -> Any:
    """One text or the ids of one where a list may stand."""
    if isinstance(value, list) and value and all(isinstance(one, int) and not isinstance(one, bool) for one in value):
        return [value]
    return as_list(value)


Inputs = Annotated[Several[Input | Ids], BeforeValidator(as_inputs), Field(min_length=1, max_length=MAX_INPUTS)]


class EmbeddingsForm(Form):
    """``POST /v1/embeddings``."""

    model_config = example({"model": "demo-small", "input": ["12 + 30", "a dozen and thirty"]})
    ignored = HINTS
    neutral: ClassVar = {"dimensions": ()}

    model: Name | None = Field(default=None, description="a local model or an endpoint")
    input: Inputs = Field(description="a text, a list of texts, ids of the model's own tokens, or a list of such lists")
    encoding_format: Literal["float", "base64"] = Field(default="float", description="of the vectors")

    def texts(self) -> list[str | Tokens]:
        return [one if isinstance(one, str) else tuple(one) for one in self.input]


class EmbedForm(Form):
    """``POST /api/embed``."""

    model_config = example({"model": "demo-small", "input": ["12 + 30"]})
    ignored = frozenset({"keep_alive", "options"})
    neutral: ClassVar = {"dimensions": (), "truncate": (False, True)}

    model: Name | None = None
    input: Annotated[Several[Input], BeforeValidator(as_list), Field(min_length=1, max_length=MAX_INPUTS)]


class OldEmbedForm(Form):
    """``POST /api/embeddings``, as older clients ask."""

    model_config = example({"model": "demo-small", "prompt": "12 + 30"})
    ignored = frozenset({"keep_alive", "options"})

    model: Name | None = None
    prompt: Annotated[Text, Field(min_length=1)]


@router.post("/embeddings")
async def embeddings(form: EmbeddingsForm, request: Request) -> Response:
    """Vectors that stand for texts."""
    target, result = await _embedded(request, form.model, form.texts())
    is_packed = form.encoding_format == "base64"

    def shown(number: int) -> dict[str, Any]:
        one = result.vectors[number]
        return {"object": "embedding", "index": number, "embedding": packed(one) if is_packed else list(one)}

    tokens = sum(result.tokens)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return await written({"object": "list", "model": target, "usage": usage}, "data", len(result.vectors), shown)


@ollama_router.post("/embed")
async def embed(form: EmbedForm, request: Request) -> Response:
    """Vectors that stand for texts."""
    began_at = time.perf_counter()
    target, result = await _embedded(request, form.model, list(form.input))
    took = int((time.perf_counter() - began_at) * 1e9)
    body = {"model": target, "total_duration": took, "load_duration": 0, "prompt_eval_count": sum(result.tokens)}
    return await written(body, "embeddings", len(result.vectors), lambda number: list(result.vectors[number]))


@ollama_router.post("/embeddings")
async def old_embeddings(form: OldEmbedForm, request: Request) -> Response:
    """A vector that stands for one text."""
    _, result = await _embedded(request, form.model, [form.prompt])
    return Response(as_json({"embedding": list(result.vectors[0])}), media_type=_JSON)


_JSON = "application/json"


async def written(body: dict[str, Any], name: str, count: int, shown: Callable[[int], Any]) -> Response:
    """``body`` with so many vectors under ``name``. Thousands are a second's work: others get their turn within."""
    pieces = list[bytes]()
    for start in range(0, count, WRITTEN_AT_ONCE):
        some = range(start, min(count, start + WRITTEN_AT_ONCE))
        pieces.append(as_json([shown(number) for number in some])[1:-1])
        await asyncio.sleep(0)
    listed = b",".join(pieces)
    return Response(as_json(body)[:-1] + f',"{name}":['.encode() + listed + b"]}", media_type=_JSON)


async def _embedded(request: Request, model: str | None, texts: list[str | Tokens]) -> tuple[str, EmbedResult]:
    """Who was asked, and what came of it; counted as a prompt of these texts without an answer."""
    served = await served_by(request)
    target = plain_name(served.models, target_of(served, model))
    if is_run(target):
        raise ApiError("plans and cooperations make no embeddings; ask a model", param="model")
    meter, answer = Meter(served, request, target), ServedAnswer(model=target)
    await meter.admit([_counted(texts)])
    with meter.counting([answer]):
        result = await unless_left(request.receive, served.there(_work(served, target, texts)))
        answer.prompt_in_all = sum(result.tokens)
    return target, result


async def _work(served: Served, target: str, texts: list[str | Tokens]) -> EmbedResult:
    config = ModelConfig(n_ctx=served.n_ctx)
    return await GatewayEmbedder(served.gateway, served.engine).embed(target, texts, config)


def _counted(texts: list[str | Tokens]) -> GenerationRequest:
    said = tuple(Message("user", text if isinstance(text, str) else "id " * len(text)) for text in texts)
    return GenerationRequest(messages=said, config=ModelConfig(max_tokens=1))
