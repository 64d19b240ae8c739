"""``/api/answers``: an answer as this program's own events, for its commands, which are programs of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from multi_llm_comparator.core.events import Failed, event_to_dict
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.server.api.answers import ServedAnswer
from multi_llm_comparator.server.api.calls import JSON_LINES, as_json, served_by
from multi_llm_comparator.server.api.errors import ApiError, api_error
from multi_llm_comparator.server.api.forms import Form, Name
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import Streamed
from multi_llm_comparator.server.metering import ANSWERED, CLIENT_LEFT, Meter
from multi_llm_comparator.server.relay import Relay

# Its form follows that of the events, and may change with every version: no client is to be built on it.
router = APIRouter(include_in_schema=False)


class EventsForm(Form):
    """``POST /api/answers``. ``request`` is what :meth:`GenerationRequest.to_dict` gives."""

    target: Name = Field(description="the model that is asked")
    request: dict[str, Any] = Field(description="what it is asked")


@router.post("/api/answers")
async def answers(form: EventsForm, request: Request) -> Response:
    """Every event of one answer, a JSON object a line; the last one is Finished or Failed. For admins alone: such a
    request may set what no form of the API has."""
    caller = caller_of(request.scope)
    if not caller.is_admin:
        raise ApiError(f"the key {caller.name!r} has not the scope 'admin', which this needs", 403)
    served = await served_by(request)
    wanted = _request(form.request)
    meter = Meter(served, request, form.target)
    await meter.admit([wanted])
    relay = Relay(served.loop, [served.gateway.stream(form.target, wanted, use_cache=False)])
    answer = ServedAnswer()

    async def lines() -> AsyncGenerator[bytes, None]:
        try:
            while batch := await relay.batch():
                for _, event in batch:
                    answer.apply(event)
                    if isinstance(event, Failed):
                        meter.end([answer], api_error(event.error_type, event.message).status)
                yield b"".join(as_json(event_to_dict(event)) + b"\n" for _, event in batch)
            meter.end([answer], ANSWERED)
        except MultiLLMError as exc:
            failed = Failed.of(wanted.id, exc)
            yield as_json(event_to_dict(failed)) + b"\n"

    def ended() -> None:
        relay.close()
        meter.end([answer], CLIENT_LEFT)

    return Streamed(lines(), JSON_LINES, ended)


def _request(data: dict[str, Any]) -> GenerationRequest:
    """Raises ApiError: it is not one."""
    try:
        found = GenerationRequest.from_dict(data)
        found.config.validate()
    except (MultiLLMError, KeyError, TypeError, ValueError, AttributeError) as exc:
        raise ApiError(f"'request' is not what an answer is asked with: {exc!r}", param="request") from exc
    # Which files a model is computed with, the engine finds by its name.
    return replace(found, adapter="")
