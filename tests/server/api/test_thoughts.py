"""What a model thinks, in each form of the API: beside its answer, never in it; and how it is told whether to think."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest
from tests.support.served_api import ServedApi, frames, served_api

HELLO = [{"role": "user", "content": "hi"}]


class Thinker:
    """Thinks two words, then answers."""

    def __init__(self) -> None:
        self.requests: list[GenerationRequest] = []

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        yield Started(request_id=request.id, prompt_tokens=3)
        yield ThoughtDelta(request_id=request.id, text="hm ", tokens=1)
        yield ThoughtDelta(request_id=request.id, text="yes", tokens=2)
        yield TextDelta(request_id=request.id, text="Hello", tokens=3)
        yield TextDelta(request_id=request.id, text="!", tokens=4)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=4)


@pytest.fixture
def thinker() -> Thinker:
    return Thinker()


@pytest.fixture
async def api(tmp_path: Path, thinker: Thinker) -> AsyncIterator[ServedApi]:
    async with served_api(tmp_path, local=thinker) as served:
        yield served


async def body_of(api: ServedApi, path: str, **body: Any) -> Any:
    answer = await api.post(path, **{"model": "m", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_chat_answer_has_its_thought_under_both_names(api: ServedApi) -> None:
    answer = await body_of(api, "/v1/chat/completions", messages=HELLO)
    message = answer["choices"][0]["message"]
    assert message["content"] == "Hello!"
    assert message["reasoning_content"] == message["reasoning"] == "hm yes"
    assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


async def test_a_streamed_thought_comes_before_the_answer(api: ServedApi) -> None:
    streamed = await api.post("/v1/chat/completions", model="m", messages=HELLO, stream=True)
    deltas = [json.loads(frame)["choices"][0]["delta"] for frame in frames(streamed.text)[:-1]]
    kinds = ["thought" if "reasoning" in delta else "text" for delta in deltas[1:] if delta]
    assert kinds == sorted(kinds, reverse=True) and set(kinds) == {"thought", "text"}
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello!"


async def test_anthropics_client_reads_thinking_blocks(api: ServedApi) -> None:
    client = anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0)
    asked: dict[str, Any] = {"model": "m", "max_tokens": 64, "messages": HELLO}
    whole = await client.messages.create(**asked)
    assert [(block.type, getattr(block, block.type)) for block in whole.content] == [
        ("thinking", "hm yes"),
        ("text", "Hello!"),
    ]
    async with client.messages.stream(**asked) as stream:
        streamed = await stream.get_final_message()
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    events = [json.loads(frame) for frame in frames((await api.post("/v1/messages", **asked, stream=True)).text)]
    # Clients keep a thought once it is signed, though nothing is signed here.
    deltas = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert deltas == ["thinking_delta", "thinking_delta", "signature_delta", "text_delta", "text_delta"]
    # What came is handed back as it is.
    await client.messages.create(
        **{**asked, "messages": [*HELLO, {"role": "assistant", "content": whole.content}, *HELLO]}
    )
    await client.close()


async def test_anthropics_switch_reaches_the_model(api: ServedApi, thinker: Thinker) -> None:
    await body_of(api, "/v1/messages", max_tokens=9, messages=HELLO, thinking={"type": "enabled", "budget_tokens": 5})
    await body_of(api, "/v1/messages", max_tokens=9, messages=HELLO, thinking={"type": "disabled"})
    on, off = (request.config for request in thinker.requests)
    assert (on.enable_thinking, on.thinking_budget) == (True, 5)
    assert (off.enable_thinking, off.thinking_budget) == (False, None)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (None, None)),
        ({"reasoning_effort": "none"}, (False, None)),
        ({"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget": 7}, (True, 7)),
    ],
)
async def test_openais_and_vllms_switches_reach_the_model(
    api: ServedApi, thinker: Thinker, body: dict[str, Any], expected: tuple[bool | None, int | None]
) -> None:
    await body_of(api, "/v1/chat/completions", messages=HELLO, **body)
    config = thinker.requests[0].config
    assert (config.enable_thinking, config.thinking_budget) == expected


@pytest.mark.parametrize("stream", [False, True])
async def test_ollama_has_thinking_beside_the_content(api: ServedApi, thinker: Thinker, stream: bool) -> None:
    answer = await api.post("/api/chat", model="m", messages=HELLO, stream=stream, think=True)
    lines = [json.loads(line)["message"] for line in answer.text.strip().splitlines()]
    assert "".join(line.get("thinking", "") for line in lines) == "hm yes"
    assert "".join(line["content"] for line in lines) == "Hello!"
    assert thinker.requests[0].config.enable_thinking is True


async def test_a_response_has_an_item_of_reasoning(api: ServedApi) -> None:
    whole = await body_of(api, "/v1/responses", input="hi")
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    assert whole["output"][0]["content"][0]["text"] == "hm yes"
    assert whole["usage"]["output_tokens_details"] == {"reasoning_tokens": 2}
    streamed = await api.post("/v1/responses", model="m", input="hi", stream=True)
    events = [json.loads(frame) for frame in frames(streamed.text)]
    assert "".join(e["delta"] for e in events if e["type"] == "response.reasoning_text.delta") == "hm yes"
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["reasoning", "message"]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_thoughts_handed_back_reach_the_model(api: ServedApi, thinker: Thinker, name: str) -> None:
    await body_of(
        api, "/v1/chat/completions", messages=[*HELLO, {"role": "assistant", "content": "a", name: "x"}, *HELLO]
    )
    assert thinker.requests[0].messages[1].thought == "x"
