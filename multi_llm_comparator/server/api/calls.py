"""From a request over HTTP to answers, and from answers to what is sent: the part that all forms share."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from multi_llm_comparator import __version__
from multi_llm_comparator.core.events import Event, LoadProgressed, TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed
from multi_llm_comparator.server.api.answers import Answers, ServedAnswer, target_of
from multi_llm_comparator.server.api.errors import ApiError
from multi_llm_comparator.server.callers import caller_of
from multi_llm_comparator.server.leaving import Streamed, unless_left
from multi_llm_comparator.server.metering import ANSWERED, CLIENT_LEFT, Meter, status_of
from multi_llm_comparator.server.serving import Served

# Of this program's build: with the same one, and the same model file, the same seed means the same.
FINGERPRINT = f"b{__version__}"
EVENT_STREAM, JSON_LINES = "text/event-stream; charset=utf-8", "application/x-ndjson"
# What a stream tells: an answer, and before it what was thought, or how far a plan or a cooperation is.
Told = TextDelta | ThoughtDelta | Progressed


async def served_by(request: Request) -> Served:
    """What this request is answered with, once the models are known."""
    served: Served = request.app.state.served()
    await served.scanned()
    return served


async def whole_answer(
    request: Request,
    model: str | None,
    requests: Sequence[GenerationRequest],
    written: Callable[[str, list[ServedAnswer]], dict[str, Any]],
) -> Response:
    """One body with everything in it. A client that leaves ends the decoding."""
    target, meter, answers = await _admitted(request, model, requests)
    with meter.counting(answers.answers), contextlib.closing(answers):
        return JSONResponse(written(target, await unless_left(request.receive, answers.whole())))


async def streamed_answer(
    request: Request,
    model: str | None,
    requests: Sequence[GenerationRequest],
    written: Callable[[str, Answers], AsyncGenerator[bytes, None]],
    told: Callable[[ApiError], bytes],
    media_type: str,
) -> Response:
    """A stream that begins with the first text. What fails before has a status of its own; what fails later is a frame
    that ``told`` writes, and the end."""
    target, meter, answers = await _admitted(request, model, requests)
    try:
        await unless_left(request.receive, answers.begin())
    except BaseException as exc:
        meter.end(answers.answers, status_of(exc))
        raise

    async def chunks() -> AsyncGenerator[bytes, None]:
        try:
            async for chunk in written(target, answers):
                yield chunk
            meter.end(answers.answers, ANSWERED)
        except ApiError as exc:
            meter.end(answers.answers, exc.status)
            yield told(exc)

    def ended() -> None:
        answers.close()
        # Whatever has not ended by now was left by its client.
        meter.end(answers.answers, CLIENT_LEFT)

    return Streamed(chunks(), media_type, ended)


async def _admitted(
    request: Request, model: str | None, requests: Sequence[GenerationRequest]
) -> tuple[str, Meter, Answers]:
    """Who is asked, what counts it, and the answers, of which none has begun."""
    served = await served_by(request)
    target = target_of(served, model)
    meter = Meter(served, request, target)
    await meter.admit(requests)
    with meter.acting():
        return target, meter, Answers(served, target, in_order(request, requests))


def in_order(request: Request, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
    """The requests with their caller's priority."""
    priority = caller_of(request.scope).limits.priority
    return [replace(one, priority=priority) for one in requests]


def as_json(data: Any) -> bytes:
    """Half a character that a model wrote becomes U+FFFD: no client could read it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def as_event(data: Any, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + as_json(data) + b"\n\n"


async def grown_by(answers: Answers, grown: Callable[[Told], bytes]) -> AsyncGenerator[bytes, None]:
    """The event stream of the one answer: how far its model is loaded, then what ``grown`` makes of each event."""
    async for batch in answers.events():
        told = b"".join(grown(event) for _, event in batch if isinstance(event, Told))
        if written := load_comments(batch) + told:
            yield written


def load_comments(batch: Sequence[tuple[int, Event]]) -> bytes:
    """How far models are that are still being loaded, as comments of an event stream, which clients skip."""
    return b"".join(_load_comment(event) for _, event in batch if isinstance(event, LoadProgressed))


def _load_comment(event: LoadProgressed) -> bytes:
    taken, expected = event.memory_bytes / 1e6, event.expected_bytes / 1e6
    # A name may hold a line break, which would end the comment.
    return f": loading {event.model!r}: {taken:.0f} of about {expected:.0f} MB, {event.seconds:.0f} s\n\n".encode()
