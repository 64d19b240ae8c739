"""Ollama's ``/api/chat``, ``/api/generate``, ``/api/tags``, ``/api/ps``, ``/api/show`` and ``/api/version``."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from multi_llm_comparator import __version__
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, check_temperature, target_of, tokens_within
from multi_llm_comparator.server.api.calls import JSON_LINES, as_json, served_by, streamed_answer, whole_answer
from multi_llm_comparator.server.api.errors import ApiError, ollama_body
from multi_llm_comparator.server.api.models import Offer, offer_of, offers
from multi_llm_comparator.server.api.ollama_forms import (
    OllamaChatForm,
    OllamaForm,
    OllamaGenerateForm,
    ShowForm,
    plain_name,
)
from multi_llm_comparator.server.api.plan_models import is_run
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import counted, refuse_models
from multi_llm_comparator.server.serving import Served
from multi_llm_comparator.services.loaded_model import LoadedModel

router = APIRouter(prefix="/api", tags=["Ollama"])
# Puts a text where the kind of answer has it.
Put = Callable[[str], dict[str, Any]]


@router.post("/chat")
async def chat(form: OllamaChatForm, request: Request) -> Response:
    """Answer a conversation."""
    config = await _config(request, form)
    asked = form.asked()
    if not asked:
        return await _loaded(request, form, config, _as_message)
    generation = GenerationRequest(messages=asked, config=config, constraint=form.constraint, **form.tools_asked())
    return await _answered(request, form, generation, _as_message)


@router.post("/generate")
async def generate(form: OllamaGenerateForm, request: Request) -> Response:
    """Answer one prompt."""
    if form.raw and form.system:
        raise ApiError("'system' has no place in a 'raw' prompt; write it into the prompt", param="system")
    config = await _config(request, form)
    asked = form.asked()
    if not asked:
        return await _loaded(request, form, config, _as_response)
    generation = GenerationRequest(messages=asked, config=config, raw=form.raw, constraint=form.constraint)
    return await _answered(request, form, generation, _as_response)


@router.get("/tags")
async def tags(request: Request) -> dict[str, Any]:
    """Everything that can be asked."""
    limits = caller_of(request.scope).limits
    return {"models": [_tag(offer) for offer in offers(await served_by(request)) if limits.may_ask(offer.name)]}


@router.get("/ps")
async def in_memory(request: Request) -> dict[str, Any]:
    """The models that are in memory now, and until when, if nobody asks them."""
    served, limits = await served_by(request), caller_of(request.scope).limits
    by_id = {offer.info.id: offer for offer in offers(served) if offer.info is not None and limits.may_ask(offer.name)}
    loaded = [(by_id[one.model_id], one) for one in served.engine.loaded_models() if one.model_id in by_id]
    return {"models": [_held(served, offer, one) for offer, one in loaded if one.state != "loading"]}


@router.post("/show")
async def show(form: ShowForm, request: Request) -> dict[str, Any]:
    """What is known of one name."""
    served = await served_by(request)
    target = plain_name(served.models, target_of(served, form.model or form.name))
    refuse_models(caller_of(request.scope), [target])
    offer = offer_of(served, target)
    info = offer.info.config if offer.info else {}
    architecture = str(info.get("architecture") or offer.kind)
    known = {
        "general.architecture": architecture,
        "general.parameter_count": info.get("parameters"),
        f"{architecture}.context_length": info.get("context_length"),
    }
    return {
        "modelfile": "",
        "parameters": "",
        "template": "",
        "details": _details(offer),
        "model_info": {name: value for name, value in known.items() if value is not None},
        "capabilities": _capabilities(offer, await served.there(_call_form(served, offer))),
        "modified_at": _time(offer.modified_at),
    }


async def _call_form(served: Served, offer: Offer) -> bool | None:
    """Whether a model in memory has tools in a form that is read here; None while its template has not been run."""
    if offer.info is None:
        return None
    here = [one for one in served.engine.loaded_models() if one.model_id == offer.info.loaded_as.id]
    return next((one.info.get("tools") is not None for one in here if one.state == "ready"), None)


def _capabilities(offer: Offer, has_tools: bool | None) -> list[str]:
    """What Ollama's clients ask for before they send images or tools."""
    if offer.kind == "embedder":
        return ["embedding"]
    tools = offer.names_tools if has_tools is None else has_tools
    return ["completion", *(["vision"] * offer.sees_images), *(["tools"] * tools)]


@router.get("/version")
async def version() -> dict[str, str]:
    """This server's version."""
    return {"version": __version__}


async def _config(request: Request, form: OllamaForm) -> ModelConfig:
    check_temperature(form.options.temperature)
    most = tokens_within(form.options.wanted_tokens, "num_predict")
    config = form.options.config((await served_by(request)).n_ctx, most)
    config.enable_thinking = form.think
    return config


async def _answered(request: Request, form: OllamaForm, asked: GenerationRequest, put: Put) -> Response:
    began_at = now()
    served = await served_by(request)
    model = plain_name(served.models, target_of(served, form.model))
    if is_run(model):
        said = "plans and cooperations are asked in OpenAI's or Anthropic's form: /v1/chat/completions"
        raise ApiError(said, param="model")

    def whole(target: str, answers: list[ServedAnswer]) -> dict[str, Any]:
        said = _with_calls(put(answers[0].whole_text), answers[0])
        return {**_head(target), **_thinking(said, answers[0].thought), **_end(answers[0], began_at)}

    async def lines(target: str, answers: Answers) -> AsyncGenerator[bytes, None]:
        async for batch in answers.events():
            if thought := "".join(event.text for _, event in batch if isinstance(event, ThoughtDelta)):
                yield as_json({**_head(target), **_thinking(put(""), thought), "done": False}) + b"\n"
            if text := "".join(event.text for _, event in batch if isinstance(event, TextDelta)):
                yield as_json({**_head(target), **put(text), "done": False}) + b"\n"
        # Calls come whole, as Ollama itself sends them.
        last = answers.answers[0]
        if last.calls:
            yield as_json({**_head(target), **_with_calls(put(""), last), "done": False}) + b"\n"
        yield as_json({**_head(target), **put(""), **_end(last, began_at)}) + b"\n"

    if form.stream:
        return await streamed_answer(request, model, [asked], lines, _told, JSON_LINES)
    return await whole_answer(request, model, [asked], whole)


async def _loaded(request: Request, form: OllamaForm, config: ModelConfig, put: Put) -> Response:
    """Load a local model ahead of its first question; whatever else answers has nothing to load."""
    served = await served_by(request)
    target = plain_name(served.models, target_of(served, form.model))
    async with counted(served, request, target):
        offer = offer_of(served, target)
        if offer.info is not None:
            await unless_left(request.receive, served.there(served.engine.load(offer.info.id, config)))
    body = {**_head(offer.name), **put(""), "done": True, "done_reason": "load"}
    return Response(as_json(body) + b"\n", media_type=JSON_LINES) if form.stream else JSONResponse(body)


def _as_message(text: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": text}}


def _with_calls(said: dict[str, Any], answer: ServedAnswer) -> dict[str, Any]:
    """A message with the calls of its answer; one that was cut is none."""
    calls = []
    for number, call in enumerate(answer.calls):
        try:
            function = {"index": number, "name": call.name, "arguments": json.loads(call.arguments or "{}")}
        except (ValueError, RecursionError):
            continue
        calls.append({"id": call.id, "function": function})
    return {"message": {**said["message"], "tool_calls": calls}} if calls else said


def _thinking(said: dict[str, Any], thought: str) -> dict[str, Any]:
    """With what the model thought: inside a message, or beside a response."""
    if not thought:
        return said
    return {"message": {**said["message"], "thinking": thought}} if "message" in said else {**said, "thinking": thought}


def _as_response(text: str) -> dict[str, Any]:
    return {"response": text}


def _head(target: str) -> dict[str, Any]:
    return {"model": target, "created_at": datetime.now(UTC).isoformat().replace("+00:00", "Z")}


def _end(answer: ServedAnswer, began_at: float) -> dict[str, Any]:
    """How it ended, and what it took, in nanoseconds."""
    ended_at = answer.finished.at if answer.finished else now()
    read_at = answer.started.at if answer.started else began_at
    first_at = answer.first_text_at or ended_at
    return {
        "done": True,
        "done_reason": "length" if answer.is_cut else "stop",
        "total_duration": _nanoseconds(now() - began_at),
        "load_duration": _nanoseconds(answer.load_s),
        "prompt_eval_count": answer.prompt_tokens,
        "prompt_eval_duration": _nanoseconds(first_at - read_at),
        "eval_count": answer.completion_tokens,
        "eval_duration": _nanoseconds(ended_at - first_at),
    }


def _nanoseconds(seconds: float) -> int:
    return max(0, int(seconds * 1e9))


def _tag(offer: Offer) -> dict[str, Any]:
    return {
        "name": offer.name,
        "model": offer.name,
        "modified_at": _time(offer.modified_at),
        "size": offer.info.size if offer.info else 0,
        "digest": offer.info.id if offer.info else "",
        "details": _details(offer),
    }


def _held(served: Served, offer: Offer, loaded: LoadedModel) -> dict[str, Any]:
    """A model in memory. One that stays until its place is needed has no end that could be told."""
    size = loaded.memory_bytes or loaded.estimated_bytes
    after_s = served.engine.keeping.idle_unload_s(offer.info) if offer.info else None
    ends_at = {} if after_s is None else {"expires_at": _time(int((loaded.idle_since or now()) + after_s))}
    tag = {name: value for name, value in _tag(offer).items() if name != "modified_at"}
    on_gpu = size if loaded.device != "cpu" else 0
    return {**tag, "size": size, "size_vram": on_gpu, "context_length": loaded.options.n_ctx, **ends_at}


def _details(offer: Offer) -> dict[str, Any]:
    info = offer.info.config if offer.info else {}
    family = str(info.get("architecture") or offer.kind)
    parameters = info.get("parameters")
    return {
        "parent_model": "",
        "format": offer.info.model_type.value if offer.info else offer.kind,
        "family": family,
        "families": [family],
        "parameter_size": f"{parameters / 1e6:.1f}M" if parameters else "",
        "quantization_level": str(info.get("quantization") or ""),
    }


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _told(error: ApiError) -> bytes:
    return as_json(ollama_body(error)) + b"\n"
