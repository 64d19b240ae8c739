"""OpenAI's ``/v1/responses`` without state: nothing is stored, and what would need it is refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from multi_llm_comparator.core.events import ThoughtDelta, ToolCallDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, check_temperature, target_of, tokens_within
from multi_llm_comparator.server.api.calls import (
    EVENT_STREAM,
    Told,
    as_event,
    grown_by,
    served_by,
    streamed_answer,
    whole_answer,
)
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.plan_models import refuse_for_plan
from multi_llm_comparator.server.api.responses_form import COME_BACK, ResponsesForm

router = APIRouter(tags=["OpenAI"])
# The item that is what the model thought, and the one that is a message; the others are calls, by their numbers.
_THOUGHT, _MESSAGE = -2, -1
# What a plan honours of a response's fields.
_PLAN_FIELDS = frozenset({"model", "input", "stream", "stream_options", *COME_BACK})


@router.post("/responses")
async def responses(form: ResponsesForm, request: Request) -> Response:
    """Answer a conversation that is sent whole."""
    check_temperature(form.temperature)
    most = tokens_within(form.max_output_tokens, "max_output_tokens")
    served = await served_by(request)
    refuse_for_plan(target_of(served, form.model), form, _PLAN_FIELDS)
    asked = GenerationRequest(
        messages=form.messages(),
        config=form.config(served.n_ctx, most),
        constraint=form.text.format.constraint,
        **form.tools_asked(),
    )
    writing = _Writing(form)
    if form.stream:
        return await streamed_answer(request, form.model, [asked], writing.events, writing.failed, EVENT_STREAM)
    return await whole_answer(request, form.model, [asked], writing.whole)


class _Writing:
    """One response, whole or as events in the order that OpenAI documents.

    Its items are one message and the calls of functions, in the order in which they were begun.
    """

    def __init__(self, form: ResponsesForm) -> None:
        self._form, self._at = form, int(time.time())
        self._id, self._item_id = f"resp_{uuid.uuid4().hex}", f"msg_{uuid.uuid4().hex}"
        self._number = 0
        self._begun: list[int] = []

    def whole(self, target: str, answers: list[ServedAnswer]) -> dict[str, Any]:
        answer = answers[0]
        said = [_MESSAGE] if answer.whole_text or not answer.calls else []
        self._begun = [*([_THOUGHT] if answer.thought else []), *said, *range(len(answer.calls))]
        return self._response(target, answer, is_over=True)

    async def events(self, target: str, answers: Answers) -> AsyncGenerator[bytes, None]:
        answer = answers.answers[0]
        begun = self._response(target, answer, is_over=False)
        yield self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)
        async for written in grown_by(answers, lambda event: self._grown(event, answer)):
            yield written
        if not set(self._begun) - {_THOUGHT}:
            yield self._begin(_MESSAGE, answer)
        yield b"".join(self._ended(item, answer) for item in self._begun)
        end = "response.incomplete" if answer.is_cut else "response.completed"
        yield self._event(end, response=self._response(target, answer, is_over=True))

    def _grown(self, event: Told, answer: ServedAnswer) -> bytes:
        item = event.index if isinstance(event, ToolCallDelta) else _MESSAGE
        if isinstance(event, ThoughtDelta | Progressed):
            item = _THOUGHT
        piece = event.arguments if isinstance(event, ToolCallDelta) else event.text
        written = b""
        if item not in self._begun and (piece or item >= 0):
            written = self._begin(item, answer)
        if not piece:
            return written
        if item == _THOUGHT:
            place = {**self._place(_THOUGHT), "content_index": 0}
            return written + self._event("response.reasoning_text.delta", **place, delta=piece)
        if item == _MESSAGE:
            return written + self._event("response.output_text.delta", **self._text_place, delta=piece, logprobs=[])
        return written + self._event("response.function_call_arguments.delta", **self._place(item), delta=piece)

    def _begin(self, item: int, answer: ServedAnswer) -> bytes:
        self._begun.append(item)
        empty: dict[str, Any] = {"content": []} if item < 0 else {"arguments": ""}
        shown = {**self._item(item, answer), "status": "in_progress", **empty}
        place = self._begun.index(item)
        written = self._event("response.output_item.added", output_index=place, item=shown)
        if item == _MESSAGE:
            written += self._event("response.content_part.added", **self._text_place, part=_part(""))
        return written

    def _ended(self, item: int, answer: ServedAnswer) -> bytes:
        if item == _THOUGHT:
            place = {**self._place(_THOUGHT), "content_index": 0}
            written = self._event("response.reasoning_text.done", **place, text=answer.thought)
        elif item == _MESSAGE:
            text = answer.whole_text
            written = self._event("response.output_text.done", **self._text_place, text=text, logprobs=[])
            written += self._event("response.content_part.done", **self._text_place, part=_part(text))
        else:
            call = answer.calls[item]
            written = self._event(
                "response.function_call_arguments.done", **self._place(item), name=call.name, arguments=call.arguments
            )
        number = self._begun.index(item)
        return written + self._event("response.output_item.done", output_index=number, item=self._item(item, answer))

    def _place(self, item: int) -> dict[str, Any]:
        name = self._item_id if item == _MESSAGE else self._call_id(item)
        name = self._thought_id if item == _THOUGHT else name
        return {"item_id": name, "output_index": self._begun.index(item)}

    @property
    def _thought_id(self) -> str:
        return self._item_id.replace("msg_", "rs_")

    @property
    def _text_place(self) -> dict[str, Any]:
        return {**self._place(_MESSAGE), "content_index": 0}

    def _call_id(self, item: int) -> str:
        return f"{self._item_id.replace('msg_', 'fc_')}_{item}"

    def failed(self, error: ApiError) -> bytes:
        return self._event("error", code=error.code or "server_error", message=error.message, param=error.param)

    def _event(self, kind: str, **data: Any) -> bytes:
        self._number += 1
        return as_event({"type": kind, "sequence_number": self._number - 1, **data}, kind)

    def _item(self, item: int, answer: ServedAnswer) -> dict[str, Any]:
        if item == _THOUGHT:
            content = [{"type": "reasoning_text", "text": answer.thought}]
            return {
                "id": self._thought_id,
                "type": "reasoning",
                "summary": [],
                "content": content,
                "status": "completed",
            }
        if item != _MESSAGE:
            # Only the last one can be cut.
            is_cut = answer.is_cut and item == len(answer.calls) - 1
            call = answer.calls[item]
            return {
                "id": self._call_id(item),
                "type": "function_call",
                "status": "incomplete" if is_cut else "completed",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": "incomplete" if answer.is_cut else "completed",
            "content": [_part(answer.whole_text)],
        }

    def _response(self, target: str, answer: ServedAnswer, *, is_over: bool) -> dict[str, Any]:
        form = self._form
        cut = is_over and answer.is_cut
        shape = form.text.format.model_dump(by_alias=True, exclude_none=True)
        if form.text.format.described is not None:
            shape |= {"name": form.text.format.name or "response", "strict": True}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._at,
            "completed_at": int(time.time()) if is_over and not cut else None,
            "status": "incomplete" if cut else "completed" if is_over else "in_progress",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": form.instructions,
            "max_output_tokens": form.max_output_tokens,
            "model": target,
            "output": [self._item(item, answer) for item in self._begun] if is_over else [],
            "max_tool_calls": None,
            "parallel_tool_calls": form.parallel_tool_calls,
            "previous_response_id": None,
            "prompt_cache_key": form.prompt_cache_key,
            "reasoning": {"effort": None, "summary": None},
            "background": False,
            "safety_identifier": form.safety_identifier,
            "service_tier": "default",
            "store": False,
            "temperature": form.temperature,
            "frequency_penalty": form.frequency_penalty,
            "presence_penalty": form.presence_penalty,
            "text": {"format": shape},
            "tool_choice": choice if isinstance(choice := form.tool_choice, str) else choice.model_dump(),
            "tools": [{**one.model_dump(), "strict": True} for one in form.tools],
            "top_p": form.top_p,
            "top_logprobs": 0,
            "truncation": "disabled",
            "user": form.user,
            "metadata": form.metadata,
            "usage": _usage(answer) if is_over else None,
            **({"run_id": answer.run_id} if answer.run_id else {}),
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(answer: ServedAnswer) -> dict[str, Any]:
    return {
        "input_tokens": answer.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": answer.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": answer.thought_tokens},
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        **(answer.figures or {}),
    }
