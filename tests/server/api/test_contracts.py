"""What the published types of clients promise of every answer: each field that they require, of the type they name, and
none that they do not know but those listed here.

The types are those of OpenAI's, Anthropic's and Ollama's own libraries, which are generated from their published
specifications; they are read strictly, where the clients themselves would take anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic.types
import httpx2
import ollama
import openai.types
import openai.types.chat
import openai.types.responses
import pydantic
import pytest

from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.requests import GenerationRequest
from tests.server.api.test_thoughts import Thinker
from tests.server.api.test_tools import TOOLS, calling
from tests.support.gateways import break_after_text
from tests.support.served_api import ServedApi, frames, served_api

HELLO = [{"role": "user", "content": "hi"}]
# Fields beside those types: `store`, penalties, and the name of a call that is over, which are documented and which the
# types lack;
# what a model thinks, as several servers tell it; the stored run.
OURS = {
    "store",
    "response.store",
    "frequency_penalty",
    "response.frequency_penalty",
    "presence_penalty",
    "response.presence_penalty",
    "name",
    "run_id",
    "choices.message.reasoning_content",
    "choices.message.reasoning",
    "choices.delta.reasoning_content",
    "choices.delta.reasoning",
    "data.kind",
    "data.context_length",
    "data.parent",
    "kind",
    "context_length",
    "parent",
}
STREAM_EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent)
MESSAGE_EVENT: pydantic.TypeAdapter[Any] = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)


async def thinking(request: GenerationRequest) -> AsyncIterator[Event]:
    async for event in Thinker().stream("m", request):
        yield event


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path) as served:
        served.source.usual |= {"calls": calling, "thinks": thinking}
        yield served


def unknown(value: Any, at: str = "") -> Iterator[str]:
    """The places of fields that a type does not know."""
    if isinstance(value, pydantic.BaseModel):
        yield from (f"{at}{name}" for name in value.model_extra or {})
        for name in value.model_fields_set:
            yield from unknown(getattr(value, name, None), f"{at}{name}.")
    elif isinstance(value, list | tuple):
        for one in value:
            yield from unknown(one, at)


def check(kind: type[pydantic.BaseModel] | pydantic.TypeAdapter[Any], data: Any) -> Any:
    """The data as the library's type, which has to fit."""
    text = json.dumps(data)
    if isinstance(kind, pydantic.TypeAdapter):
        found = kind.validate_json(text, strict=True)
    else:
        found = kind.model_validate_json(text, strict=True)
    assert set(unknown(found)) <= OURS
    return found


async def whole(api: ServedApi, path: str, **body: Any) -> Any:
    answer = await api.post(path, **body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("model", ["m", "calls", "thinks"])
@pytest.mark.parametrize("more", [{}, {"n": 2, "stop": ["\n"], "seed": 1}])
async def test_chat_completions_fit_openais_types(api: ServedApi, model: str, more: dict[str, Any]) -> None:
    asked = {"model": model, "messages": HELLO, **more} | ({"tools": TOOLS} if model == "calls" else {})
    path = "/v1/chat/completions"
    found = check(openai.types.chat.ChatCompletion, await whole(api, path, **asked))
    assert len(found.choices) == more.get("n", 1) and found.usage.total_tokens > 0
    streamed = await api.post(path, **asked, stream=True, stream_options={"include_usage": True})
    *chunks, last, done = frames(streamed.text)
    assert done == "[DONE]"
    for chunk in chunks:
        assert check(openai.types.chat.ChatCompletionChunk, json.loads(chunk)).usage is None
    told = check(openai.types.chat.ChatCompletionChunk, json.loads(last))
    assert (told.choices, told.usage) == ([], found.usage)


async def test_completions_models_and_embeddings_fit_openais_types(api: ServedApi) -> None:
    asked = {"model": "m", "prompt": ["a", "b"], "n": 2}
    assert len(check(openai.types.Completion, await whole(api, "/v1/completions", **asked)).choices) == 4
    streamed = await api.post("/v1/completions", **asked, stream=True)
    *chunks, done = frames(streamed.text)
    assert done == "[DONE]"
    for chunk in map(json.loads, chunks):
        # OpenAI's own streams have null until the end, which its type does not know.
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        check(openai.types.Completion, chunk)
    for one in (await api.http.get("/v1/models")).json()["data"]:
        check(openai.types.Model, one)


@pytest.mark.parametrize("model", ["m", "calls", "thinks"])
async def test_responses_and_their_events_fit_openais_types(api: ServedApi, model: str) -> None:
    tools = [{"type": "function", **TOOLS[0]["function"]}] if model == "calls" else []
    asked = {"model": model, "input": "hi"} | ({"tools": tools} if tools else {})
    check(openai.types.responses.Response, await whole(api, "/v1/responses", **asked))
    streamed = await api.post("/v1/responses", **asked, stream=True)
    events = [check(STREAM_EVENT, json.loads(frame)) for frame in frames(streamed.text)]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


@pytest.mark.parametrize("model", ["m", "calls", "thinks"])
async def test_messages_and_their_events_fit_anthropics_types(api: ServedApi, model: str) -> None:
    schema = {"name": "get_weather", "input_schema": TOOLS[0]["function"]["parameters"]}
    asked = {"model": model, "max_tokens": 9, "messages": HELLO} | ({"tools": [schema]} if model == "calls" else {})
    check(anthropic.types.Message, await whole(api, "/v1/messages", **asked))
    streamed = await api.post("/v1/messages", **asked, stream=True)
    events = [check(MESSAGE_EVENT, json.loads(frame)) for frame in frames(streamed.text) if '"ping"' not in frame]
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    named = [line.removeprefix("event: ") for line in streamed.text.splitlines() if line.startswith("event: ")]
    assert [name for name in named if name != "ping"] == kinds
    # Blocks come one after the other, each begun, filled and ended.
    open_block = None
    for event in events:
        if event.type == "content_block_start":
            assert open_block is None
            open_block = event.index
        elif event.type in ("content_block_delta", "content_block_stop"):
            assert event.index == open_block
            open_block = None if event.type == "content_block_stop" else open_block
    assert open_block is None


async def test_lines_fit_ollamas_types(api: ServedApi) -> None:
    for path, body, kind in (
        ("/api/chat", {"messages": HELLO}, ollama.ChatResponse),
        ("/api/generate", {"prompt": "hi"}, ollama.GenerateResponse),
    ):
        streamed = await api.post(path, model="m", **body)
        assert streamed.headers["content-type"] == "application/x-ndjson"
        lines = [kind.model_validate_json(line) for line in streamed.text.splitlines()]
        assert [line.done for line in lines] == [False] * (len(lines) - 1) + [True]
        assert lines[-1].done_reason == "stop" and lines[-1].eval_count
        assert kind.model_validate_json((await api.post(path, model="m", stream=False, **body)).text).done
    ollama.ListResponse.model_validate_json((await api.http.get("/api/tags")).text)


async def test_a_stream_that_breaks_ends_with_an_error_in_each_form(api: ServedApi) -> None:
    api.source.usual["m"] = break_after_text(ProviderUnavailableError("gone"))
    chat = frames((await api.chat(stream=True)).text)
    assert json.loads(chat[-1])["error"].keys() == {"message", "type", "param", "code"}
    messages = frames((await api.post("/v1/messages", model="m", max_tokens=9, messages=HELLO, stream=True)).text)
    assert json.loads(messages[-1])["type"] == "error"
    anthropic.types.ErrorResponse.model_validate(json.loads(messages[-1]))
    lines = (await api.post("/api/chat", model="m", messages=HELLO)).text.splitlines()
    assert json.loads(lines[-1]).keys() == {"error"}


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/v1/nowhere", {}, 404),
        ("GET", "/v1/models/nobody", {}, 404),
        ("GET", "/v1/chat/completions", {}, 405),
        ("DELETE", "/v1/models", {}, 405),
        ("POST", "/v1/chat/completions", {"content": b"a=b", "headers": {"content-type": "text/plain"}}, 415),
        ("POST", "/v1/chat/completions", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/v1/chat/completions", {"json": {"model": "m"}}, 400),
        ("POST", "/v1/chat/completions", {"json": {"model": "m", "messages": HELLO, "no_such_field": 1}}, 400),
        ("POST", "/v1/chat/completions", {"json": {"model": "m", "messages": HELLO, "n": "many"}}, 400),
        ("POST", "/v1/embeddings", {"json": {"model": "m"}}, 400),
        ("POST", "/v1/responses", {"json": {"model": "m"}}, 400),
    ],
)
async def test_every_refusal_has_openais_four_fields(
    api: ServedApi, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = await api.http.request(method, path, **more)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"] and error["type"]


async def test_who_fails_behind_the_server_has_the_same_form(api: ServedApi) -> None:
    api.source.usual["m"] = ProviderUnavailableError("gone")
    answer = await api.chat()
    assert answer.status_code == 502 and answer.json()["error"].keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/health", "/status", "/openapi.json", "/api/tags"])
async def test_head_is_get_without_a_body(api: ServedApi, path: str) -> None:
    got = await api.http.get(path)
    head = await api.http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/models", "GET, HEAD, OPTIONS"), ("/v1/chat/completions", "OPTIONS, POST"), ("/v1/nowhere", None)],
)
async def test_options_and_405_say_what_a_path_takes(api: ServedApi, path: str, methods: str | None) -> None:
    options: httpx2.Response = await api.http.request("OPTIONS", path)
    assert (options.status_code, options.headers.get("allow")) == ((204, methods) if methods else (404, None))
    if methods:
        refused = await api.http.request("PATCH", path)
        assert (refused.status_code, refused.headers["allow"]) == (405, methods)
