"""Tools over a real socket: what clients send reaches the model, and its calls come back in every form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest

from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta, ToolCallDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.tools import Tool, ToolCall
from multi_llm_comparator.services.inference_engine import InferenceEngine
from tests.support.scripted_models import Catalogue, scripted_model
from tests.support.served_api import ServedApi, frames, served_api, served_models
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer
from tests.support.tool_templates import HERMES

SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Köln", "Oslo"]}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "says how it is", "parameters": SCHEMA}
TOOLS: list[Any] = [{"type": "function", "function": FUNCTION}]
ASKED: list[Any] = [{"role": "user", "content": "How is it in Oslo?"}]
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "%s"}}\n</tool_call>'


async def calling(request: GenerationRequest) -> AsyncIterator[Event]:
    """Says something and calls twice."""
    pieces: list[dict[str, Any]] = [
        {"index": 0, "id": "call_1", "name": "get_weather"},
        {"index": 0, "arguments": '{"city": '},
        {"index": 0, "arguments": '"Oslo"}'},
        {"index": 1, "id": "call_2", "name": "get_time", "arguments": "{}"},
    ]
    yield Started(request_id=request.id, prompt_tokens=3)
    yield TextDelta(request_id=request.id, text="Let me see.", tokens=1)
    for number, piece in enumerate(pieces, 2):
        yield ToolCallDelta(request_id=request.id, text="", tokens=number, **piece)
    yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=5)


CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
]


async def test_calls_have_the_form_that_openai_documents(api: ServedApi) -> None:
    api.source.usual["m"] = calling
    choice = (await api.chat(tools=TOOLS)).json()["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": CALLS,
        "refusal": None,
    }


async def test_streamed_calls_count_up_and_are_named_once(api: ServedApi) -> None:
    api.source.usual["m"] = calling
    *chunks, _ = frames((await api.chat(tools=TOOLS, stream=True)).text)
    choices = [json.loads(chunk)["choices"][0] for chunk in chunks]
    told = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert [call["index"] for call in told] == [0, 0, 0, 1]
    assert [call.get("id") for call in told] == ["call_1", None, None, "call_2"]
    assert [call["function"].get("name") for call in told] == ["get_weather", None, None, "get_time"]
    assert choices[-1]["finish_reason"] == "tool_calls"


async def test_the_choice_of_tools_reaches_the_model(api: ServedApi) -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}
    for choice, told in (("auto", "auto"), ("none", "none"), ("required", "required"), (named, "get_weather")):
        answer = await api.chat(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False)
        assert answer.status_code == 200
        request = api.source.requests[-1]
        (tool,) = request.tools
        assert (tool.name, json.loads(tool.parameters)) == ("get_weather", SCHEMA)
        assert (request.tool_choice, request.parallel_tool_calls) == (told, False)


ROUND = (
    Message("user", "How is it?"),
    Message(
        "assistant",
        "I look.",
        tool_calls=(
            ToolCall(id="c1", name="get_weather", arguments='{"city": "Oslo"}'),
            ToolCall(id="c2", name="get_time", arguments="{}"),
        ),
    ),
    Message("tool", "rain", tool_call_id="c1"),
    Message("tool", "noon", tool_call_id="c2"),
)


def _function(call: ToolCall) -> dict[str, Any]:
    return {"name": call.name, "arguments": call.arguments}


async def test_a_round_of_calls_and_results_reads_the_same_in_every_form(api: ServedApi) -> None:
    calls = ROUND[1].tool_calls
    openai_calls = [{"id": one.id, "type": "function", "function": _function(one)} for one in calls]
    await api.chat(
        messages=[
            {"role": "user", "content": "How is it?"},
            {"role": "assistant", "content": "I look.", "tool_calls": openai_calls},
            {"role": "tool", "tool_call_id": "c1", "content": "rain"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "noon"}]},
        ]
    )
    await api.post(
        "/v1/responses",
        model="m",
        input=[
            {"role": "user", "content": "How is it?"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            *({"type": "function_call", "call_id": one.id, **_function(one)} for one in calls),
            {"type": "function_call_output", "call_id": "c1", "output": "rain"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "noon"}]},
        ],
    )
    uses = [{"type": "tool_use", "id": one.id, "name": one.name, "input": json.loads(one.arguments)} for one in calls]
    await api.post(
        "/v1/messages",
        model="m",
        max_tokens=5,
        messages=[
            {"role": "user", "content": "How is it?"},
            {"role": "assistant", "content": [{"type": "text", "text": "I look."}, *uses]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": "rain"},
                    {"type": "tool_result", "tool_use_id": "c2", "content": [{"type": "text", "text": "noon"}]},
                ],
            },
        ],
    )
    own = [{"id": one.id, "function": {"name": one.name, "arguments": json.loads(one.arguments)}} for one in calls]
    await api.post(
        "/api/chat",
        model="m",
        messages=[
            {"role": "user", "content": "How is it?"},
            {"role": "assistant", "content": "I look.", "tool_calls": own},
            {"role": "tool", "tool_name": "get_weather", "content": "rain"},
            {"role": "tool", "tool_name": "get_time", "content": "noon"},
        ],
    )
    assert [request.messages for request in api.source.requests] == [ROUND] * 4


async def test_responses_bring_calls_as_items(api: ServedApi) -> None:
    api.source.usual["m"] = calling
    tools: list[Any] = [{"type": "function", **FUNCTION}, {"type": "web_search"}]
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        whole = await client.responses.create(model="m", input="How is it?", tools=tools)
        assert [item.type for item in whole.output] == ["message", "function_call", "function_call"]
        called = whole.output[1]
        assert called.type == "function_call" and (called.call_id, called.arguments) == ("call_1", '{"city": "Oslo"}')
        async with client.responses.stream(model="m", input="How is it?", tools=tools) as stream:
            kinds = [event.type async for event in stream]
            final = await stream.get_final_response()
    assert kinds.count("response.function_call_arguments.done") == 2
    assert [item.type for item in final.output] == ["message", "function_call", "function_call"]
    assert [one.name for one in api.source.requests[0].tools] == ["get_weather"]


async def test_anthropics_client_sees_calls_as_blocks(api: ServedApi) -> None:
    api.source.usual["m"] = calling
    asked = {
        "model": "m",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "How is it?"}],
        "tools": [{"name": "get_weather", "description": "says how it is", "input_schema": SCHEMA}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    }
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            final = await stream.get_final_message()
    for message in (whole, final):
        assert message.stop_reason == "tool_use"
        assert [block.type for block in message.content] == ["text", "tool_use", "tool_use"]
        assert (message.content[1].id, message.content[1].input) == ("call_1", {"city": "Oslo"})
    request = api.source.requests[0]
    assert (request.tool_choice, request.parallel_tool_calls) == ("required", False)
    assert request.tools == (
        Tool(name="get_weather", description="says how it is", parameters=json.dumps(SCHEMA, ensure_ascii=False)),
    )


async def test_ollamas_client_sees_calls_in_the_message(api: ServedApi) -> None:
    api.source.usual["m"] = calling
    client = ollama.AsyncClient(host=api.url)
    whole = await client.chat(model="m", messages=ASKED, tools=TOOLS)
    assert [(call.function.name, call.function.arguments) for call in whole.message.tool_calls or ()] == [
        ("get_weather", {"city": "Oslo"}),
        ("get_time", {}),
    ]
    pieces = [piece async for piece in await client.chat(model="m", messages=ASKED, tools=TOOLS, stream=True)]
    assert [len(piece.message.tool_calls or ()) for piece in pieces if piece.message.tool_calls] == [2]


@pytest.fixture
async def models(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """Random weights behind a template with tools, and others behind one without."""
    make_checkpoint(tmp_path / "models" / "pytorch" / "caller", tokenizer=make_tokenizer(HERMES))
    make_checkpoint(tmp_path / "models" / "pytorch" / "talker")
    async with served_models(tmp_path) as served:
        yield served


@pytest.mark.slow
async def test_even_random_weights_call_as_the_schema_says(models: ServedApi) -> None:
    async with openai.AsyncOpenAI(base_url=f"{models.url}/v1", api_key="none", max_retries=0) as client:
        asked: dict[str, Any] = {
            "model": "caller",
            "messages": ASKED,
            "tools": TOOLS,
            "max_tokens": 200,
            "tool_choice": "required",
        }
        whole = await client.chat.completions.create(**asked, parallel_tool_calls=False, temperature=0)
        (call,) = whole.choices[0].message.tool_calls
        assert whole.choices[0].finish_reason == "tool_calls" and call.function.name == "get_weather"
        assert json.loads(call.function.arguments)["city"] in ("Köln", "Oslo")
        async with client.chat.completions.stream(**asked, parallel_tool_calls=False, temperature=0) as stream:
            final = await stream.get_final_completion()
        (streamed,) = list(final.choices[0].message.tool_calls or [])
        assert streamed.function.arguments == call.function.arguments
        told = [*ASKED, whole.choices[0].message.model_dump(exclude_none=True)]
        told.append({"role": "tool", "tool_call_id": call.id, "content": "22 °C"})
        again = await client.chat.completions.create(model="caller", messages=told, tools=TOOLS, max_tokens=5)
        assert again.choices[0].finish_reason in ("length", "stop")
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**{**asked, "model": "talker"})
        assert refused.value.param == "tools" and "template" in str(refused.value)
        wrong = {"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)"}}, "required": ["x"]}
        unread = [{"type": "function", "function": {"name": "f", "parameters": wrong}}]
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**{**asked, "tools": unread})
        assert refused.value.param == "tools"


async def test_text_and_calls_of_a_local_model_are_told_apart(tmp_path: Path) -> None:
    says = f"I shall look.\n{CALL % 'Oslo'}\n{CALL % 'Köln'}"
    model = scripted_model(
        tmp_path, "scripted", answers=[{"pattern": "How", "text": says}], otherwise="none needed", chat_template=HERMES
    )
    engine = InferenceEngine(models=Catalogue(model))
    async with served_api(tmp_path, engine=engine, local=engine) as api:
        message = (await api.chat("How is it?", model="scripted", tools=TOOLS)).json()["choices"][0]["message"]
        assert message["content"] == "I shall look."
        assert [json.loads(call["function"]["arguments"])["city"] for call in message["tool_calls"]] == ["Oslo", "Köln"]
        choice = (await api.chat("Fine.", model="scripted", tools=TOOLS)).json()["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("none needed", "stop")
        # Who wants text gets what the model writes, whatever it looks like.
        free = (await api.chat("How is it?", model="scripted")).json()["choices"][0]["message"]
        assert free["content"] == says and "tool_calls" not in free
