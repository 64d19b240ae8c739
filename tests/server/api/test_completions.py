"""``/v1/completions`` over a real socket."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from multi_llm_comparator.server.api.openai_forms import CompletionForm
from tests.support.served_api import ServedApi, frames


async def complete(api: ServedApi, prompt: object = "once", **body: Any) -> httpx2.Response:
    return await api.post("/v1/completions", **{"model": "m", "prompt": prompt, **body})


async def test_the_prompt_reaches_the_model_as_it_is(api: ServedApi) -> None:
    answer = (await complete(api, " <s> once")).json()
    assert answer["object"] == "text_completion" and answer["id"].startswith("cmpl-")
    assert answer["choices"] == [{"index": 0, "text": "I am m", "logprobs": None, "finish_reason": "stop"}]
    (request,) = api.source.requests
    assert request.raw and request.messages[0].content == " <s> once"
    assert request.config.max_tokens == 16


@pytest.mark.parametrize("stream", [False, True])
async def test_several_prompts_have_several_answers_each_in_order(api: ServedApi, stream: bool) -> None:
    api.source.script("m", "a1", "a2", "b1", "b2")
    answer = await complete(api, ["a", "b"], n=2, stream=stream)
    assert [request.messages[0].content for request in api.source.requests] == ["a", "a", "b", "b"]
    if not stream:
        assert [choice["text"] for choice in answer.json()["choices"]] == ["a1", "a2", "b1", "b2"]
        assert answer.json()["usage"]["prompt_tokens"] == 6
        return
    *chunks, done = frames(answer.text)
    assert done == "[DONE]"
    said = ["", "", "", ""]
    for choice in (choice for chunk in chunks for choice in json.loads(chunk)["choices"]):
        said[choice["index"]] += choice["text"]
    assert said == ["a1", "a2", "b1", "b2"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", []),
        ("prompt", ["x"] * 129),
        ("logprobs", 21),
        ("max_tokens", 0),
        ("best_of", 3),
        ("suffix", "end"),
        ("messages", []),
        ("n", 100),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(api: ServedApi, field: str, value: object) -> None:
    asked: dict[str, Any] = {field: value}
    answer = await complete(api, **asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)


async def test_more_answers_than_one_request_may_have_are_refused(api: ServedApi) -> None:
    answer = await complete(api, ["x"] * 100, n=2)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "n")


@pytest.mark.parametrize("prompt", [[[]], [-1], [[1], [2.5]], [True, "x"], [2**31]])
async def test_what_are_no_token_ids_is_refused(api: ServedApi, prompt: object) -> None:
    answer = await complete(api, prompt)
    assert answer.status_code == 400 and answer.json()["error"]["param"].startswith("prompt[")


@pytest.mark.parametrize("name", sorted(CompletionForm.neutral))
async def test_what_asks_for_nothing_is_taken(api: ServedApi, name: str) -> None:
    for value in CompletionForm.neutral[name]:
        assert (await complete(api, **{name: value})).status_code == 200, value
