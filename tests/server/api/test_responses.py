from __future__ import annotations

import json

import openai
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.requests import Message
from tests.support.gateways import break_after_text
from tests.support.served_api import ServedApi, frames


async def test_openais_client_reads_it_whole_and_streamed(api: ServedApi) -> None:
    api.source.usual["m"] = "one two three"
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        whole = await client.responses.create(model="m", input="hi", instructions="Be brief.", temperature=0.5)
        assert whole.usage is not None
        assert (whole.output_text, whole.status, whole.usage.output_tokens) == ("one two three", "completed", 3)
        kinds = []
        async with client.responses.stream(model="m", input=[{"role": "user", "content": "hi"}]) as stream:
            async for event in stream:
                kinds.append(event.type)
            final = await stream.get_final_response()
        assert final.output_text == "one two three"
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert api.source.requests[0].messages == (Message("system", "Be brief."), Message("user", "hi"))
    assert api.source.requests[0].config.temperature == 0.5


async def test_what_it_gave_can_be_sent_back_with_the_next_question(api: ServedApi) -> None:
    first = (await api.post("/v1/responses", model="m", input="hi")).json()
    again = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        *first["output"],
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
    ]
    assert (await api.post("/responses", model="m", input=again)).status_code == 200
    roles = [(message.role, message.content) for message in api.source.requests[1].messages]
    assert roles == [("user", "hi"), ("assistant", "I am m"), ("system", "Be brief.")]


async def test_events_are_numbered_and_a_stream_that_breaks_says_so(api: ServedApi) -> None:
    api.source.script("m", break_after_text(ProviderUnavailableError("gone")))
    answer = await api.post("/v1/responses", model="m", input="hi", stream=True)
    told = [json.loads(frame) for frame in frames(answer.text)]
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    assert (told[-1]["type"], told[-1]["code"], told[-1]["message"]) == ("error", "upstream_failed", "gone")


async def test_an_answer_is_held_to_a_schema(api: ServedApi) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    shape = {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True}}
    answer = (await api.post("/v1/responses", model="m", input="hi", text=shape)).json()
    assert api.source.requests[0].constraint == Constraint.of_schema(schema)
    assert answer["text"]["format"]["schema"] == schema


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("tools", [{"type": "function", "name": "f g", "parameters": {}}]),
        ("tool_choice", "required"),
        ("background", True),
        ("include", ["reasoning.encrypted_content"]),
        ("reasoning", {"effort": "high"}),
        ("truncation", "auto"),
        ("top_logprobs", 3),
        ("nonsense", 1),
        ("input", [{"type": "function_call_output", "call_id": "c"}]),
        ("input", [{"role": "user", "content": [{"type": "input_image", "image_url": "file:///etc/passwd"}]}]),
    ],
)
async def test_what_needs_state_or_tools_is_refused_by_name(api: ServedApi, field: str, value: object) -> None:
    answer = await api.post("/v1/responses", **{"model": "m", "input": "hi", field: value})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"].startswith(field)


async def test_hints_change_nothing(api: ServedApi) -> None:
    hints = {
        "store": True,
        "metadata": {"a": "b"},
        "user": "ann",
        "parallel_tool_calls": True,
        "truncation": "disabled",
    }
    answer = await api.post("/v1/responses", model="m", input="hi", **hints)
    assert (answer.status_code, answer.json()["store"]) == (200, False)
