"""A model that is still being loaded, over HTTP: how far it is stands in every stream of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import anthropic
import openai
import pytest

from multi_llm_comparator.core.events import Event, LoadProgressed
from multi_llm_comparator.core.exceptions import InsufficientMemoryError
from multi_llm_comparator.core.requests import GenerationRequest
from tests.support.gateways import Deed, answer
from tests.support.served_api import ServedApi, frames

HELLO: list[Any] = [{"role": "user", "content": "hi"}]


def loading_for(*seconds: float, then: Exception | None = None) -> Deed:
    """A model that is still being loaded after so many seconds each, and answers or fails after the last."""

    async def deed(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        for passed in seconds:
            taken = int(passed * 1e8)
            yield LoadProgressed(
                request_id=request.id, model="m", seconds=passed, memory_bytes=taken, expected_bytes=2_000_000_000
            )
        if then is not None:
            raise then
        async for event in answer(request, "one two"):
            yield event

    return deed


STREAMED: dict[str, dict[str, Any]] = {
    "chat/completions": {"messages": HELLO},
    "completions": {"prompt": "a"},
    "responses": {"input": "hi"},
    "messages": {"messages": HELLO, "max_tokens": 9},
}


@pytest.mark.parametrize("path", STREAMED)
async def test_a_stream_tells_how_far_its_model_is_loaded(api: ServedApi, path: str) -> None:
    api.source.usual["m"] = loading_for(11.0, 12.0)
    told = (await api.post(f"/v1/{path}", model="m", stream=True, **STREAMED[path])).text
    comments = [line for line in told.splitlines() if line.startswith(":")]
    assert comments == [
        ": loading 'm': 1100 of about 2000 MB, 11 s",
        ": loading 'm': 1200 of about 2000 MB, 12 s",
    ]
    assert "two" in "".join(frames(told))


async def test_clients_read_past_what_is_told_of_loading(api: ServedApi) -> None:
    api.source.usual["m"] = loading_for(11.0)
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        async with client.chat.completions.stream(model="m", messages=HELLO) as chat:
            said = [(await chat.get_final_completion()).choices[0].message.content]
        async with client.responses.stream(model="m", input="hi") as response:
            said.append((await response.get_final_response()).output_text)
    async with (
        anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as other,
        other.messages.stream(model="m", max_tokens=9, messages=HELLO) as message,
    ):
        said.append(await message.get_final_text())
    assert said == ["one two"] * 3


@pytest.mark.parametrize("path", STREAMED)
async def test_a_load_that_fails_soon_has_a_status_and_one_that_fails_late_a_frame(api: ServedApi, path: str) -> None:
    trouble = InsufficientMemoryError("no room")
    api.source.script("m", loading_for(3.0, then=trouble), loading_for(11.0, then=trouble))
    soon, late = [await api.post(f"/v1/{path}", model="m", stream=True, **STREAMED[path]) for _ in range(2)]
    assert (soon.status_code, late.status_code) == (503, 200)
    assert "no room" in soon.text and "no room" in frames(late.text)[-1]
