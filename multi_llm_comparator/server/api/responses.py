"""OpenAI's ``/v1/responses`` without state: nothing is stored, and what would need it is refused."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.server.api.answers import Answer, Answers, check_temperature, target_of, tokens_within
from multi_llm_comparator.server.api.calls import EVENT_STREAM, as_event, served_by, streamed_answer, whole_answer
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.api.plan_models import refuse_for_plan
from multi_llm_comparator.server.api.responses_form import ResponsesForm

router = APIRouter(tags=["OpenAI"])
# What a plan honours of a response's fields.
_PLAN_FIELDS = frozenset({"model", "input", "stream", "stream_options"})


@router.post("/responses")
async def responses(form: ResponsesForm, request: Request) -> Response:
    """Answer a conversation that is sent whole."""
    check_temperature(form.temperature)
    most = tokens_within(form.max_output_tokens, "max_output_tokens")
    served = await served_by(request)
    refuse_for_plan(target_of(served, form.model), form, _PLAN_FIELDS)
    asked = GenerationRequest(
        messages=form.messages(), config=form.config(served.n_ctx, most), constraint=form.text.format.constraint
    )
    writing = _Writing(form)
    if form.stream:
        return await streamed_answer(request, form.model, [asked], writing.events, writing.failed, EVENT_STREAM)
    return await whole_answer(request, form.model, [asked], writing.whole)


class _Writing:
    """One response, whole or as events in the order that OpenAI documents."""

    def __init__(self, form: ResponsesForm) -> None:
        self._form, self._at = form, int(time.time())
        self._id, self._item_id = f"resp_{uuid.uuid4().hex}", f"msg_{uuid.uuid4().hex}"
        self._number = 0

    def whole(self, target: str, answers: list[Answer]) -> dict[str, Any]:
        return self._response(target, answers[0], is_over=True)

    async def events(self, target: str, answers: Answers) -> AsyncGenerator[bytes, None]:
        answer = answers.answers[0]
        begun = self._response(target, answer, is_over=False)
        item = {**self._item(answer), "status": "in_progress", "content": []}
        place = {"item_id": self._item_id, "output_index": 0, "content_index": 0}
        yield (
            self._event("response.created", response=begun)
            + self._event("response.in_progress", response=begun)
            + self._event("response.output_item.added", output_index=0, item=item)
            + self._event("response.content_part.added", **place, part=_part(""))
        )
        async for batch in answers.events():
            if text := "".join(event.text for _, event in batch if isinstance(event, TextDelta)):
                yield self._event("response.output_text.delta", **place, delta=text, logprobs=[])
        end = "response.incomplete" if answer.is_cut else "response.completed"
        yield (
            self._event("response.output_text.done", **place, text=answer.whole_text, logprobs=[])
            + self._event("response.content_part.done", **place, part=_part(answer.whole_text))
            + self._event("response.output_item.done", output_index=0, item=self._item(answer))
            + self._event(end, response=self._response(target, answer, is_over=True))
        )

    def failed(self, error: ApiError) -> bytes:
        return self._event("error", code=error.code or "server_error", message=error.message, param=error.param)

    def _event(self, kind: str, **data: Any) -> bytes:
        self._number += 1
        return as_event({"type": kind, "sequence_number": self._number - 1, **data}, kind)

    def _item(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": self._item_id,
            "type": "message",
            "role": "assistant",
            "status": "incomplete" if answer.is_cut else "completed",
            "content": [_part(answer.whole_text)],
        }

    def _response(self, target: str, answer: Answer, *, is_over: bool) -> dict[str, Any]:
        form = self._form
        cut = is_over and answer.is_cut
        shape = form.text.format.model_dump(by_alias=True, exclude_none=True)
        if form.text.format.described is not None:
            shape |= {"name": "response", "strict": True}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._at,
            "status": "incomplete" if cut else "completed" if is_over else "in_progress",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "instructions": form.instructions,
            "max_output_tokens": form.max_output_tokens,
            "model": target,
            "output": [self._item(answer)] if is_over else [],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None},
            "store": False,
            "temperature": form.temperature,
            "text": {"format": shape},
            "tool_choice": "auto",
            "tools": [],
            "top_p": form.top_p,
            "truncation": "disabled",
            "metadata": {},
            "usage": _usage(answer) if is_over else None,
            **({"run_id": answer.run_id} if answer.run_id else {}),
        }


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "input_tokens": answer.prompt_tokens,
        "input_tokens_details": {"cached_tokens": answer.cached_tokens},
        "output_tokens": answer.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        **(answer.figures or {}),
    }
