"""``/v1/chat/completions`` over a real socket."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import (
    BudgetExceededError,
    ContextOverflowError,
    ConversationRefusedError,
    GrammarError,
    InsufficientMemoryError,
    ModelNotFoundError,
    ProviderUnavailableError,
    RequestRefusedError,
)
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.server.api.openai_forms import HINTS, ChatForm
from tests.support.gateways import Deed, break_after_text, hang, hang_after_text
from tests.support.served_api import ServedApi, frames, served_api, until


async def test_an_answer_has_the_form_that_openai_documents(api: ServedApi) -> None:
    api.source.usual["m"] = "one two three"
    answer = (await api.chat()).json()
    assert answer.pop("id").startswith("chatcmpl-") and answer.pop("created") > 1_700_000_000
    assert answer.pop("system_fingerprint").startswith("b")
    assert answer == {
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "one two three", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 3,
            "total_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


async def test_a_stream_brings_role_pieces_reason_usage_and_done(api: ServedApi) -> None:
    api.source.usual["m"] = "一 two 🙂"
    answer = await api.chat(stream=True, stream_options={"include_usage": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    *chunks, done = frames(answer.text)
    assert done == "[DONE]"
    read = [json.loads(chunk) for chunk in chunks]
    assert {(one["id"], one["object"], one["model"]) for one in read} == {(read[0]["id"], "chat.completion.chunk", "m")}
    deltas = [one["choices"][0]["delta"] for one in read[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == "一 two 🙂"
    assert read[-2]["choices"][0]["finish_reason"] == "stop"
    assert read[-1]["choices"] == [] and read[-1]["usage"]["total_tokens"] == 6
    assert all(one["usage"] is None for one in read[:-1])


async def test_without_include_usage_no_chunk_is_without_choices(api: ServedApi) -> None:
    chunks = [json.loads(frame) for frame in frames((await api.chat(stream=True)).text)[:-1]]
    assert all(chunk["choices"] and "usage" not in chunk for chunk in chunks)


@pytest.mark.parametrize("stream", [False, True])
async def test_several_answers_have_seeds_of_their_own_and_one_prompt(api: ServedApi, stream: bool) -> None:
    api.source.script("m", "first", "second answer")
    options: dict[str, Any] = {"stream_options": {"include_usage": True}} if stream else {}
    answer = await api.chat(n=2, seed=-1, stream=stream, **options)
    assert [request.config.seed for request in api.source.requests] == [2**32 - 1, 0]
    if stream:
        chunks = [json.loads(frame) for frame in frames(answer.text)[:-1]]
        said = ["", ""]
        for choice in (choice for chunk in chunks for choice in chunk["choices"]):
            said[choice["index"]] += choice["delta"].get("content", "")
        usage = chunks[-1]["usage"]
    else:
        said = [choice["message"]["content"] for choice in answer.json()["choices"]]
        usage = answer.json()["usage"]
    assert said == ["first", "second answer"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (3, 3)


async def test_defaults_are_openais(api: ServedApi) -> None:
    await api.chat()
    config = api.source.requests[0].config
    assert (config.temperature, config.top_p, config.top_k) == (1.0, 1.0, 0)
    assert (config.repeat_penalty, config.presence_penalty) == (1.0, 0.0)
    assert (config.seed, config.stop, config.max_tokens) == (None, (), 4096)


async def test_every_field_reaches_the_model(api: ServedApi) -> None:
    await api.chat(
        max_tokens=7,
        temperature=0.01,
        top_p=0.5,
        top_k=9,
        seed=5,
        stop="END",
        presence_penalty=0.5,
        repetition_penalty=1.2,
    )
    config = api.source.requests[0].config
    assert (config.temperature, config.top_p, config.top_k, config.seed) == (0.01, 0.5, 9, 5)
    assert (config.stop, config.presence_penalty, config.repeat_penalty, config.max_tokens) == (("END",), 0.5, 1.2, 7)


async def test_the_newer_name_of_the_limit_comes_first(api: ServedApi) -> None:
    await api.chat(max_tokens=7, max_completion_tokens=5)
    assert api.source.requests[0].config.max_tokens == 5


async def test_roles_parts_and_earlier_thoughts_are_read(api: ServedApi) -> None:
    messages = [
        {"role": "developer", "content": "be short"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "me"},
        {"role": "assistant", "content": "c", "reasoning_content": "hm", "tool_calls": None},
        {"role": "user", "content": "d"},
    ]
    assert (await api.chat(messages=messages)).status_code == 200
    assert api.source.requests[0].messages == (
        Message("system", "be short"),
        Message("user", "ab"),
        Message("assistant", "c", thought="hm"),
        Message("user", "d"),
    )


async def test_an_answer_that_was_begun_is_continued(api: ServedApi) -> None:
    messages = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one"}]
    answer = await api.chat(messages=messages, continue_final_message=True, add_generation_prompt=False)
    assert answer.status_code == 200
    assert api.source.requests[0].continue_final
    unusual: list[dict[str, Any]] = [{"continue_final_message": True}, {"add_generation_prompt": False}]
    for wrong in unusual:
        answer = await api.chat(**wrong)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, next(iter(wrong)))


SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


async def test_a_schema_holds_the_answer(api: ServedApi) -> None:
    for wanted, schema in (
        ({"type": "json_object"}, {"type": "object"}),
        ({"type": "json_schema", "json_schema": {"name": "age", "schema": SCHEMA, "strict": True}}, SCHEMA),
    ):
        assert (await api.chat(response_format=wanted)).status_code == 200
        assert api.source.requests[-1].constraint == Constraint.of_schema(schema)
    assert (await api.chat(response_format={"type": "text"})).status_code == 200
    assert api.source.requests[-1].constraint is None


async def test_a_schema_that_no_model_can_be_held_to_is_the_clients_error(api: ServedApi) -> None:
    api.source.usual["m"] = GrammarError("unevaluatedProperties is not known")
    error = (await api.chat(response_format={"type": "json_object"})).json()["error"]
    assert (error["param"], error["type"]) == ("response_format", "invalid_request_error")
    assert "unevaluatedProperties" in error["message"]


async def test_hints_are_ignored_and_null_is_as_good_as_nothing(api: ServedApi) -> None:
    asked: dict[str, Any] = {name: {"a": 1} for name in HINTS}
    asked |= dict.fromkeys(("tools", "logprobs", "stop", "seed", "temperature", "response_format"))
    assert (await api.chat(**asked)).status_code == 200


@pytest.mark.parametrize("name", sorted(ChatForm.neutral))
async def test_what_asks_for_nothing_is_taken(api: ServedApi, name: str) -> None:
    for value in ChatForm.neutral[name]:
        assert (await api.chat(**{name: value})).status_code == 200, value


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("tools", [{"type": "function", "function": {}}], "tools[0].function.name"),
        ("tools", [{"type": "function", "function": {"name": "f"}}] * 2, "tools"),
        ("tools", [{"type": "web_search"}], "tools[0].type"),
        ("tool_choice", "required", "tool_choice"),
        ("tool_choice", {"type": "function", "function": {"name": "f"}}, "tool_choice"),
        ("functions", [{"name": "f"}], "functions"),
        ("response_format", {"type": "yaml"}, "response_format.type"),
        ("response_format", {"type": "json_schema"}, "response_format"),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "x"}},
            "response_format.json_schema.schema",
        ),
        ("top_logprobs", 3, "top_logprobs"),
        ("logit_bias", {"five": 1}, "logit_bias"),
        ("logit_bias", {"5": 101}, "logit_bias.5"),
        ("frequency_penalty", 2.5, "frequency_penalty"),
        ("min_p", -0.1, "min_p"),
        ("thinking_budget", -1, "thinking_budget"),
        ("reasoning_effort", "high", "reasoning_effort"),
        ("modalities", ["text", "audio"], "modalities"),
        ("audio", {"voice": "x"}, "audio"),
        ("no_such_field", 1, "no_such_field"),
        ("n", 0, "n"),
        ("n", 17, "n"),
        ("n", "2", "n"),
        ("temperature", 2.1, "temperature"),
        ("temperature", 0.001, "temperature"),
        ("temperature", "warm", "temperature"),
        ("top_p", -0.1, "top_p"),
        ("seed", 1.5, "seed"),
        ("stop", [""], "stop[0]"),
        ("stop", ["x"] * 17, "stop"),
        ("max_tokens", 0, "max_tokens"),
        ("max_tokens", 5000, "max_tokens"),
        ("max_completion_tokens", 5000, "max_completion_tokens"),
        ("stream", "yes", "stream"),
        ("stream_options", {"include_usage": True, "x": 1}, "stream_options.x"),
        ("messages", [], "messages"),
        ("messages", [{"role": "tool", "content": "4"}], "messages[0]"),
        (
            "messages",
            [{"role": "user", "content": "4", "tool_calls": [{"id": "1", "function": {"name": "f"}}]}],
            "messages[0]",
        ),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}], None),
        ("messages", [{"role": "assistant", "tool_calls": [{"id": "1"}]}], "messages[0].tool_calls[0].function"),
        ("messages", [{"role": "user", "content": 5}], "messages[0].content"),
        ("messages", "hi", "messages"),
        ("model", "", "model"),
        ("model", 5, "model"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    api: ServedApi, field: str, value: object, param: str | None
) -> None:
    asked: dict[str, Any] = {field: value}
    answer = await api.chat(**asked)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param or (param is None and error["param"].startswith("messages[0].content[0]"))
    assert error["message"] and api.source.asked == []


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", b"\xff\xfe", b"[" * 100_000, b'{"model": NaN}', b'{"model": ' + b"1" * 6000 + b"}"],
)
async def test_a_body_that_is_no_request_is_told_so(api: ServedApi, body: bytes) -> None:
    answer = await api.http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    # More brackets than a body may have are too large, whatever they would mean.
    assert answer.status_code == (413 if body.startswith(b"[[") else 400)
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_half_a_character_is_told_so(api: ServedApi) -> None:
    body = rb'{"model": "m", "messages": [{"role": "user", "content": "\ud800"}]}'
    answer = await api.http.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages[0].content[0].text")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ModelNotFoundError("no model named 'm'"), 404, "model_not_found"),
        (ContextOverflowError("too long"), 400, "context_length_exceeded"),
        (RequestRefusedError("refused"), 400, "request_refused"),
        (ConversationRefusedError("roles must alternate"), 400, "conversation_refused"),
        (InsufficientMemoryError("no room"), 503, "insufficient_memory"),
        (ProviderUnavailableError("gone"), 502, "upstream_failed"),
        (BudgetExceededError("spent"), 429, "insufficient_quota"),
    ],
)
async def test_what_fails_before_the_first_text_has_a_status_of_its_own(
    api: ServedApi, stream: bool, error: Exception, status: int, code: str
) -> None:
    api.source.usual["m"] = error
    answer = await api.chat(stream=stream)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code and str(error) in answer.json()["error"]["message"]


async def test_a_stream_that_breaks_says_so_and_ends(api: ServedApi) -> None:
    api.source.usual["m"] = break_after_text(ProviderUnavailableError("the line was cut"))
    answer = await api.chat(stream=True)
    assert answer.status_code == 200
    *_, last = frames(answer.text)
    assert json.loads(last)["error"]["message"] == "the line was cut"
    assert "[DONE]" not in answer.text


async def test_an_answer_that_breaks_half_way_is_an_error_without_streaming(api: ServedApi) -> None:
    api.source.usual["m"] = break_after_text(ProviderUnavailableError("the line was cut"))
    assert (await api.chat()).status_code == 502


@pytest.mark.parametrize(("deed", "stream"), [(hang, True), (hang, False), (hang_after_text, False)])
async def test_a_client_that_leaves_while_it_waits_ends_the_decoding(api: ServedApi, deed: Deed, stream: bool) -> None:
    api.source.usual["m"] = deed
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "n": 2, "stream": stream}
    asking = asyncio.ensure_future(api.post("/v1/chat/completions", **body))
    await until(lambda: api.source.running["m"] == 2)
    asking.cancel()
    await until(lambda: not api.source.running.total())
    await asyncio.wait({asking})


async def test_a_client_that_leaves_a_stream_ends_the_decoding(api: ServedApi) -> None:
    api.source.usual["m"] = hang_after_text
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with api.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if "half" in line:
                break
    await until(lambda: not api.source.running.total())


async def test_the_same_without_v1(api: ServedApi) -> None:
    answer = await api.post("/chat/completions", model="m", messages=[{"role": "user", "content": "x"}])
    assert answer.status_code == 200


async def test_a_default_model_answers_who_names_none(tmp_path: Path) -> None:
    async with served_api(tmp_path, default_model="m") as api:
        answer = await api.chat(model=None)
        assert (answer.status_code, answer.json()["model"]) == (200, "m")


async def test_without_a_default_a_model_must_be_named(api: ServedApi) -> None:
    answer = await api.chat(model=None)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "model")


async def test_a_group_answers_with_what_it_falls_back_to(tmp_path: Path) -> None:
    config = {"task_groups": {"g": {"echelon1": {"models": ["a"]}, "echelon2": {"models": ["b"], "priority": 2}}}}
    async with served_api(tmp_path, config=config) as api:
        api.source.usual["a"] = ProviderUnavailableError("gone")
        answer = (await api.chat(model="g")).json()
        assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("g", "I am b")
