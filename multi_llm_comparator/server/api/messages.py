"""Anthropic's ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import ThoughtDelta, ToolCallDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed
from multi_llm_comparator.core.tools import ToolCall
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, check_temperature, target_of, tokens_within
from multi_llm_comparator.server.api.anthropic_forms import Asked, MessagesForm
from multi_llm_comparator.server.api.calls import (
    EVENT_STREAM,
    Told,
    as_event,
    grown_by,
    in_order,
    served_by,
    streamed_answer,
    whole_answer,
)
from multi_llm_comparator.server.api.errors import ApiError, anthropic_body
from multi_llm_comparator.server.api.plan_models import is_run, refuse_for_plan
from multi_llm_comparator.server.api.request_ids import request_id_of
from multi_llm_comparator.server.leaving import unless_left
from multi_llm_comparator.server.metering import Meter

router = APIRouter(tags=["Anthropic"])
# Every request has a bound on its tokens here; one that is beyond a plan's answer changes nothing.
_PLAN_FIELDS = frozenset({"model", "messages", "max_tokens", "stream"})


@router.post("/messages")
async def messages(form: MessagesForm, request: Request) -> Response:
    """Answer a conversation."""
    check_temperature(form.temperature)
    tokens_within(form.max_tokens, "max_tokens")
    served = await served_by(request)
    refuse_for_plan(target_of(served, form.model), form, _PLAN_FIELDS)
    asked = GenerationRequest(
        messages=form.asked(),
        config=form.config(served.n_ctx),
        continue_final=form.continues,
        constraint=form.constraint,
        **form.tools_asked(),
    )
    name = f"msg_{uuid.uuid4().hex}"

    def whole(target: str, answers: list[ServedAnswer]) -> dict[str, Any]:
        return _message(name, target, answers[0], _content(answers[0]), _usage(answers[0]), _end(answers[0]))

    async def events(target: str, answers: Answers) -> AsyncGenerator[bytes, None]:
        answer = answers.answers[0]
        start = {**_usage(answer), "output_tokens": 0}
        yield _event("message_start", message=_message(name, target, answer, [], start, _NO_END))
        blocks = _Blocks()
        async for written in grown_by(answers, blocks.grown):
            yield written
        yield blocks.ended()
        yield _event("message_delta", delta=_end(answer), usage=_usage(answer)) + _event("message_stop")

    def told(error: ApiError) -> bytes:
        return as_event(anthropic_body(error, request_id_of(request.scope)), "error")

    if form.stream:
        return await streamed_answer(request, form.model, [asked], events, told, EVENT_STREAM)
    return await whole_answer(request, form.model, [asked], whole)


@router.post("/messages/count_tokens")
async def count_tokens(form: Asked, request: Request) -> Response:
    """The tokens that a conversation has for a model, as that model itself counts them: it is given the conversation
    and stopped before it writes."""
    served = await served_by(request)
    target = target_of(served, form.model)
    if is_run(target):
        raise ApiError("the tokens of a plan or a cooperation are counted when it is run", param="model")
    config = ModelConfig(max_tokens=1, n_ctx=served.n_ctx)
    asked = GenerationRequest(messages=form.asked(), config=config, continue_final=form.continues, **form.tools_asked())
    meter = Meter(served, request, target)
    await meter.admit([asked])
    with meter.acting():
        answers = Answers(served, target, in_order(request, [asked]))
    with meter.counting(answers.answers), contextlib.closing(answers):
        tokens = await unless_left(request.receive, _read(answers))
    if not tokens:
        said = f"{target!r} is answered by an endpoint that does not say how many tokens a prompt has"
        raise ApiError(said, param="model")
    return JSONResponse({"input_tokens": tokens})


async def _read(answers: Answers) -> int:
    """The tokens of the prompt, as soon as they are known; 0 if they are not."""
    async for _ in answers.events():
        if answers.answers[0].started is not None:
            break
    return answers.answers[0].prompt_tokens


_NO_END = {"stop_reason": None, "stop_sequence": None}


def _message(
    name: str,
    target: str,
    answer: ServedAnswer,
    content: list[dict[str, Any]],
    usage: dict[str, Any],
    end: dict[str, Any],
) -> dict[str, Any]:
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": target,
        "content": content,
        **end,
        "usage": usage,
        **({"run_id": answer.run_id} if answer.run_id else {}),
    }


def _content(answer: ServedAnswer) -> list[dict[str, Any]]:
    """The blocks of an answer; one that calls tools and says nothing has none of text."""
    thought = [{**_NO_THOUGHT, "thinking": answer.thought}] if answer.thought else []
    said = [{"type": "text", "text": answer.whole_text}] if answer.whole_text or not answer.calls else []
    calls = [{**_call_block(call.id, call.name), "input": _input(call)} for call in answer.calls]
    return [*thought, *said, *calls]


# Nothing is signed here: a thought that comes back is believed as the text is.
_NO_THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
_UNSIGNED = {"type": "signature_delta", "signature": ""}


def _call_block(call_id: str, name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def _input(call: ToolCall) -> dict[str, Any]:
    """The arguments; of a call that was cut, none."""
    try:
        value = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class _Blocks:
    """The blocks of a stream, one after the other."""

    def __init__(self) -> None:
        self._number, self._open = -1, ""

    def grown(self, event: Told) -> bytes:
        """What an event adds: a block where another kind begins, and a delta."""
        if isinstance(event, ThoughtDelta | Progressed):
            delta = {"type": "thinking_delta", "thinking": event.text}
            return self._turn("thinking", _NO_THOUGHT) + self._delta(delta) if event.text else b""
        if isinstance(event, ToolCallDelta):
            block = _call_block(event.id, event.name)
            delta = {"type": "input_json_delta", "partial_json": event.arguments}
            return self._turn(f"call {event.index}", block) + (self._delta(delta) if event.arguments else b"")
        if not event.text:
            return b""
        return self._turn("text", {"type": "text", "text": ""}) + self._delta(
            {"type": "text_delta", "text": event.text}
        )

    def ended(self) -> bytes:
        """The end of the last block; an answer without any has an empty one of text."""
        begun = self._turn("text", {"type": "text", "text": ""}) if self._number < 0 else b""
        return begun + self._closed()

    def _closed(self) -> bytes:
        # A thought ends with its signature: clients wait for one before they send it back.
        signed = self._delta(_UNSIGNED) if self._open == "thinking" else b""
        return signed + _event("content_block_stop", index=self._number)

    def _turn(self, kind: str, block: dict[str, Any]) -> bytes:
        if kind == self._open:
            return b""
        closed = self._closed() if self._open else b""
        self._open, self._number = kind, self._number + 1
        return closed + _event("content_block_start", index=self._number, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._number, delta=delta)


def _end(answer: ServedAnswer) -> dict[str, Any]:
    """Why it ended, and at which stop text."""
    if answer.is_cut or answer.calls_tools:
        return {"stop_reason": "max_tokens" if answer.is_cut else "tool_use", "stop_sequence": None}
    return {"stop_reason": "stop_sequence" if answer.stop_text else "end_turn", "stop_sequence": answer.stop_text}


def _usage(answer: ServedAnswer) -> dict[str, Any]:
    """Anthropic counts what was read anew apart from what was in a cache."""
    return {
        "input_tokens": answer.prompt_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": answer.completion_tokens,
        **(answer.figures or {}),
    }


def _event(kind: str, **data: Any) -> bytes:
    return as_event({"type": kind, **data}, kind)
