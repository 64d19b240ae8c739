"""Anthropic's form over a real socket."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ContextOverflowError, NoModelAvailableError, ProviderUnavailableError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.anthropic_forms import MessagesForm
from tests.support.gateways import break_after_text, hang, hang_after_text
from tests.support.served_api import ServedApi, frames, until


async def ask(api: ServedApi, path: str = "/v1/messages", **body: Any) -> httpx2.Response:
    usual: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    if not path.endswith("count_tokens"):
        usual["max_tokens"] = 20
    return await api.post(path, **{**usual, **body})


async def test_an_answer_has_the_form_that_anthropic_documents(api: ServedApi) -> None:
    answer = (await ask(api)).json()
    assert answer.pop("id").startswith("msg_")
    assert answer == {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "I am m"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
        },
    }


async def test_a_stream_is_the_documented_order_of_events(api: ServedApi) -> None:
    answer = await ask(api, stream=True)
    events = [json.loads(frame) for frame in frames(answer.text)]
    named = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    assert named == [event["type"] for event in events]
    first, block, *deltas, block_end, end, last = events
    assert (first["type"], block["type"]) == ("message_start", "content_block_start")
    assert first["message"]["usage"]["input_tokens"] == 3
    assert "".join(delta["delta"]["text"] for delta in deltas) == "I am m"
    assert (block_end["type"], end["type"], last["type"]) == ("content_block_stop", "message_delta", "message_stop")
    assert end["delta"]["stop_reason"] == "end_turn" and end["usage"]["output_tokens"] == 3


async def test_system_blocks_and_earlier_thoughts_are_read_and_a_beginning_is_gone_on_with(api: ServedApi) -> None:
    turns = [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": "x"}, {"type": "text", "text": "b"}],
        },
    ]
    assert (await ask(api, system=[{"type": "text", "text": "be short"}], messages=turns)).status_code == 200
    (request,) = api.source.requests
    assert request.messages == (
        Message("system", "be short"),
        Message("user", "a"),
        Message("assistant", "b", thought="hm"),
    )
    assert request.continue_final


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", None),
        ("max_tokens", 5000),
        ("temperature", 1.5),
        ("tools", [{"type": "web_search_20250305", "name": "web_search"}]),
        ("tool_choice", {"type": "tool", "name": "f"}),
        ("thinking", {"type": "enabled", "budget_tokens": 0}),
        ("no_such_field", 1),
        ("messages", []),
    ],
)
async def test_what_cannot_be_honoured_is_refused_in_anthropics_form(api: ServedApi, field: str, value: object) -> None:
    asked: dict[str, Any] = {field: value}
    answer = await ask(api, **asked)
    body = answer.json()
    assert (answer.status_code, body["type"], body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert field in body["error"]["message"]


@pytest.mark.parametrize("name", sorted(MessagesForm.neutral))
async def test_what_asks_for_nothing_is_taken(api: ServedApi, name: str) -> None:
    for value in MessagesForm.neutral[name]:
        assert (await ask(api, **{name: value})).status_code == 200, value


async def test_failures_have_a_status_before_the_stream_and_an_event_in_it(api: ServedApi) -> None:
    api.source.script("m", NoModelAvailableError("none left"), break_after_text(ProviderUnavailableError("cut")))
    answer = await ask(api, stream=True)
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "overloaded_error")
    answer = await ask(api, stream=True)
    assert answer.status_code == 200
    last = json.loads(frames(answer.text)[-1])
    assert last.pop("request_id") == answer.headers["request-id"]
    assert last == {"type": "error", "error": {"type": "api_error", "message": "cut"}}


async def test_tokens_are_counted_by_the_model_itself_which_then_stops(api: ServedApi) -> None:
    api.source.usual["m"] = hang
    answer = await ask(api, "/v1/messages/count_tokens")
    assert (answer.status_code, answer.json()) == (200, {"input_tokens": 3})
    await until(lambda: not api.source.running.total())


async def test_what_does_not_count_or_does_not_fit_is_told_so(api: ServedApi) -> None:
    api.source.script("m", hang_after_text, ContextOverflowError("the prompt has 5000 tokens"))
    answer = await ask(api, "/v1/messages/count_tokens", max_tokens=5)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    api.source.scripts["m"].popleft()
    answer = await ask(api, "/v1/messages/count_tokens")
    assert answer.status_code == 400 and "5000 tokens" in answer.json()["error"]["message"]


async def test_a_schema_holds_the_answer(api: ServedApi) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    wanted = {"type": "json_schema", "schema": schema}
    for fields in ({"output_config": {"format": wanted}}, {"output_format": wanted}):
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
        assert (await api.http.post("/v1/messages", json=body)).status_code == 200
        assert api.source.requests[-1].constraint == Constraint.of_schema(schema)
