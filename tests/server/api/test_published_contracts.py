"""What published tests of other servers (llama.cpp's, vLLM's) and of Open Responses look at, and clients rely on."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import GrammarError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.guard import Guard
from tests.support.served_api import ServedApi, frames, served_api

HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}}


async def refused(api: ServedApi, path: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    answer = await api.post(path, **{"model": "m", **body})
    assert answer.status_code == 400, answer.text
    error: dict[str, Any] = answer.json()["error"]
    return error


# --- streams ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"include_usage": True}, {"include_usage": None}, {}])
async def test_options_of_a_stream_without_one_are_refused(api: ServedApi, options: dict[str, Any]) -> None:
    assert (await refused(api, messages=HELLO, stream_options=options))["param"] == "stream_options"
    assert (await refused(api, "/v1/completions", prompt="a", stream_options=options))["param"] == "stream_options"
    assert (await api.chat(stream_options=None)).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"), [("chat/completions", {"messages": HELLO}), ("completions", {"prompt": "a"})]
)
async def test_usage_comes_with_every_chunk_where_that_is_wanted(api: ServedApi, path: str, body: Any) -> None:
    api.source.usual["m"] = "one two three"
    options = {"include_usage": True, "continuous_usage_stats": True}
    streamed = await api.post(f"/v1/{path}", model="m", **body, stream=True, stream_options=options)
    *chunks, last = map(json.loads, frames(streamed.text)[:-1])
    counted = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counted == sorted(counted) and set(counted) - {0} == {1, 2, 3}
    assert all(one["usage"]["total_tokens"] == one["usage"]["completion_tokens"] + 3 for one in chunks)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 3)
    quiet = {"include_usage": False, "continuous_usage_stats": True}
    streamed = await api.post(f"/v1/{path}", model="m", **body, stream=True, stream_options=quiet)
    assert all("usage" not in json.loads(frame) for frame in frames(streamed.text)[:-1])


async def test_every_chunk_has_the_same_name_and_fingerprint_and_the_role_comes_once(api: ServedApi) -> None:
    chunks = [json.loads(frame) for frame in frames((await api.chat(stream=True)).text)[:-1]]
    assert len({(chunk["id"], chunk["created"], chunk["system_fingerprint"]) for chunk in chunks}) == 1
    assert ["role" in chunk["choices"][0]["delta"] for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert "content" not in chunks[-1]["choices"][0]["delta"]


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["system", "developer", "user"])
@pytest.mark.parametrize("more", [{}, {"content": None}])
async def test_a_message_without_content_is_refused(api: ServedApi, role: str, more: dict[str, Any]) -> None:
    error = await refused(api, messages=[*HELLO, {"role": role, **more}])
    assert error["param"] == "messages[1]" and "'content'" in error["message"]


async def test_only_an_assistant_that_calls_may_say_nothing(api: ServedApi) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    turns: list[dict[str, Any]] = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [call]}]
    assert (await api.chat(messages=[*turns, {"role": "tool", "tool_call_id": "c1", "content": ""}])).status_code == 200
    error = await refused(api, messages=[*turns, {"role": "tool", "tool_call_id": "c1"}])
    assert error["param"] == "messages[2]"


@pytest.mark.parametrize("messages", [None, "text", [], [123], [{}], [{"role": 1}], [{"role": "user", "content": 1}]])
async def test_what_is_no_conversation_is_refused(api: ServedApi, messages: Any) -> None:
    assert (await refused(api, messages=messages))["param"].startswith("messages")


# --- what an answer is held to ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({"structured_outputs": {"regex": "[0-9]+"}}, Constraint(regex="[0-9]+")),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, Constraint(choices=("yes", "no"))),
        ({"structured_outputs": {"json": SCHEMA}}, Constraint.of_schema(SCHEMA)),
        ({"structured_outputs": {"json": json.dumps(SCHEMA)}}, Constraint.of_schema(SCHEMA)),
        ({"structured_outputs": {"grammar": 'start: "a"'}}, Constraint(lark='start: "a"')),
        ({"structured_outputs": {"json_object": True}}, Constraint.of_schema({"type": "object"})),
    ],
)
async def test_vllms_ways_to_hold_an_answer_are_taken(api: ServedApi, asked: dict[str, Any], held: Constraint) -> None:
    assert (await api.chat(**asked)).status_code == 200
    assert (await api.post("/v1/completions", model="m", prompt="a", **asked)).status_code == 200
    assert [request.constraint for request in api.source.requests] == [held, held]


async def test_a_schema_may_stand_beside_json_object(api: ServedApi) -> None:
    assert (await api.chat(response_format={"type": "json_object", "schema": SCHEMA})).status_code == 200
    assert api.source.requests[0].constraint == Constraint.of_schema(SCHEMA)


@pytest.mark.parametrize(
    "asked",
    [
        {"structured_outputs": {}},
        {"structured_outputs": {"regex": "a", "choice": ["a"]}},
        {"structured_outputs": {"regex": {"1": "a"}}},
        {"structured_outputs": {"choice": []}},
        {"structured_outputs": {"json": "no json"}},
        {"structured_outputs": {"grammar": 'root ::= "a"'}},
        {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_object", "schema": 123}},
        {"response_format": {"type": "text", "schema": SCHEMA}},
        {"response_format": {"type": "sound"}},
    ],
)
async def test_what_cannot_hold_an_answer_is_refused(api: ServedApi, asked: dict[str, Any]) -> None:
    error = await refused(api, messages=HELLO, **asked)
    assert error["param"].partition(".")[0] in asked
    assert api.source.asked == []


async def test_a_grammar_that_cannot_be_read_is_blamed_on_its_field(api: ServedApi) -> None:
    api.source.usual["m"] = GrammarError("no such rule")
    assert (await refused(api, messages=HELLO, structured_outputs={"regex": "[.*"}))["param"] == "structured_outputs"
    wanted = {"type": "json_object", "schema": {"type": "hiccup"}}
    assert (await refused(api, messages=HELLO, response_format=wanted))["param"] == "response_format"


# --- Anthropic's form ------------------------------------------------------------------------------------------------


async def stopped(request: GenerationRequest) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request.id, prompt_tokens=3)
    yield TextDelta(request_id=request.id, text="1, 2", tokens=3)
    (text,) = request.config.stop
    yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=4, stop_text=text)


async def test_anthropics_client_is_told_which_stop_sequence_ended_an_answer(api: ServedApi) -> None:
    api.source.usual["m"] = stopped
    asked: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": HELLO, "stop_sequences": [", 3"]}
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            streamed = await stream.get_final_message()
    for message in (whole, streamed):
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", ", 3")
    chat = await api.chat(stop=", 3")
    assert chat.json()["choices"][0]["finish_reason"] == "stop"


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="


async def test_images_that_came_of_a_call_are_shown_with_what_the_user_says_next(api: ServedApi) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    content: list[dict[str, Any]] = [{"type": "text", "text": "a screen"}, image]
    turns = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": content}]},
    ]
    assert (await api.post("/v1/messages", model="m", max_tokens=9, messages=turns)).status_code == 200
    *_, told, shown = api.source.requests[0].messages
    assert (told.role, told.content, told.images) == ("tool", "a screen", ())
    assert (shown.role, shown.content, shown.images) == ("user", "", (f"data:image/png;base64,{PIXEL}",))
    output = [{"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}]
    given = [{"type": "function_call_output", "call_id": "c1", "output": output}]
    assert (await refused(api, "/v1/responses", input=given))["param"].startswith("input")


# --- names of requests ------------------------------------------------------------------------------------------------


async def test_clients_find_the_name_of_a_request(api: ServedApi) -> None:
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert (answer._request_id or "").startswith("req_")
        with pytest.raises(openai.NotFoundError) as none:
            await client.models.retrieve("nobody")
        assert (none.value.request_id or "").startswith("req_")
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client:
        with pytest.raises(anthropic.BadRequestError) as wrong:
            await client.messages.create(model="m", max_tokens=0, messages=[{"role": "user", "content": "hi"}])
        body: Any = wrong.value.body
        assert wrong.value.request_id == body["request_id"]


@pytest.mark.parametrize(("sent", "is_kept"), [("a-name.1", True), ("x" * 129, False), ("a b", False), ("", False)])
async def test_a_client_may_name_its_request(api: ServedApi, sent: str, is_kept: bool) -> None:
    answer = await api.http.get("/v1/models", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) is is_kept
    assert answer.headers["request-id"] == answer.headers["x-request-id"]


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("path", ["/chat/completions", "/completions", "/embeddings", "/responses", "/tokenize"])
async def test_who_has_no_key_is_told_so_in_openais_form(tmp_path: Path, prefix: str, path: str) -> None:
    async with served_api(tmp_path, wrapped=lambda app: Guard(app, Access(token="t" * 32))) as api:
        answer = await api.post(prefix + path, model="m")
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
        told = (await api.post(f"{prefix}/messages", model="m")).json()
        assert (told["type"], told["error"]["type"]) == ("error", "authentication_error")


# --- Open Responses ---------------------------------------------------------------------------------------------------

# What its schema requires of a response.
REQUIRED = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
    "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
    "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage",
    "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier",
    "prompt_cache_key",
}  # fmt: skip


async def test_a_response_has_all_that_open_responses_requires(api: ServedApi) -> None:
    told = {"metadata": {"team": "blue"}, "user": "ann", "safety_identifier": "s", "prompt_cache_key": "k"}
    asked = {"model": "m", "input": "hi", "presence_penalty": 0.5, **told}
    whole = (await api.post("/v1/responses", **asked)).json()
    events = [json.loads(frame) for frame in frames((await api.post("/v1/responses", **asked, stream=True)).text)]
    for response in (whole, events[0]["response"], events[-1]["response"]):
        assert response.keys() >= REQUIRED
        assert {name: response[name] for name in told} == told
        assert response["presence_penalty"] == 0.5
    assert events[0]["response"]["completed_at"] is None
    assert events[-1]["response"]["completed_at"] >= events[-1]["response"]["created_at"]
    assert api.source.requests[0].config.presence_penalty == 0.5
