"""Ollama's form over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ollama
import pytest

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.exceptions import ModelNotFoundError, ProviderUnavailableError
from multi_llm_comparator.core.requests import Message
from tests.support.gateways import break_after_text, hang_after_text
from tests.support.served_api import ServedApi, served_api, until
from tests.support.tiny_gguf import CHATML, write_random
from tests.support.tool_templates import HERMES, XML


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_random(folder / "tiny.gguf")
    async with served_api(tmp_path) as served:
        yield served


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def lines(api: ServedApi, path: str, **body: Any) -> list[Any]:
    answer = await api.post(path, **body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_a_chat_streams_by_default(api: ServedApi) -> None:
    *pieces, end = await lines(api, "/api/chat", **CHAT)
    assert "".join(piece["message"]["content"] for piece in pieces) == "I am m"
    assert all(piece["done"] is False for piece in pieces)
    assert (end["done"], end["done_reason"], end["prompt_eval_count"], end["eval_count"]) == (True, "stop", 3, 3)
    assert {"total_duration", "load_duration", "prompt_eval_duration", "eval_duration"} <= end.keys()


async def test_a_prompt_is_answered_whole_where_no_stream_is_wanted(api: ServedApi) -> None:
    (answer,) = await lines(api, "/api/generate", model="m", prompt="hi", system="be short", stream=False)
    assert (answer["response"], answer["done"]) == ("I am m", True)
    assert api.source.requests[0].messages == (Message("system", "be short"), Message("user", "hi"))


async def test_a_raw_prompt_goes_as_it_is(api: ServedApi) -> None:
    await lines(api, "/api/generate", model="m", prompt="hi", raw=True)
    assert api.source.requests[0].raw


async def test_options_reach_the_model_and_defaults_are_ollamas(api: ServedApi) -> None:
    await lines(api, "/api/chat", **CHAT)
    await lines(
        api,
        "/api/chat",
        **CHAT,
        options={"num_predict": 5, "temperature": 0, "seed": -1, "stop": ["x"], "num_ctx": 64, "use_mmap": True},
    )
    usual, own = (request.config for request in api.source.requests)
    assert (usual.temperature, usual.top_k, usual.top_p, usual.repeat_penalty) == (0.8, 40, 0.9, 1.1)
    assert (own.max_tokens, own.temperature, own.seed, own.stop, own.n_ctx) == (5, 0, 2**32 - 1, ("x",), 64)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/chat", {"format": "yaml"}, "format"),
        ("/api/chat", {"tools": [{"type": "function"}]}, "tools"),
        ("/api/chat", {"think": "high"}, "think"),
        ("/api/chat", {"options": {"mirostat": 1}}, "options.mirostat"),
        ("/api/chat", {"options": {"num_ctx": 1}}, "options.num_ctx"),
        ("/api/chat", {"options": {"num_predict": 5000}}, "num_predict"),
        ("/api/chat", {"no_such_field": 1}, "no_such_field"),
        ("/api/generate", {"prompt": "x", "suffix": "y"}, "suffix"),
        ("/api/generate", {"prompt": "x", "raw": True, "system": "y"}, "system"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_in_ollamas_form(
    api: ServedApi, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await api.post(path, **{**(CHAT if path == "/api/chat" else {"model": "m"}), **body})
    assert answer.status_code == 400
    assert answer.json().keys() == {"error"} and field in answer.json()["error"]


async def test_failures_have_a_status_before_the_stream_and_a_line_in_it(api: ServedApi) -> None:
    api.source.script("m", ModelNotFoundError("no model 'm'"), break_after_text(ProviderUnavailableError("cut")))
    answer = await api.post("/api/chat", **CHAT)
    assert (answer.status_code, answer.json()) == (404, {"error": "no model 'm'"})
    *_, last = await lines(api, "/api/chat", **CHAT)
    assert last == {"error": "cut"}


async def test_a_client_that_leaves_a_stream_ends_the_decoding(api: ServedApi) -> None:
    api.source.usual["m"] = hang_after_text
    async with api.http.stream("POST", "/api/chat", json=CHAT) as answer:
        async for _ in answer.aiter_lines():
            break
    await until(lambda: not api.source.running.total())


async def test_curl_without_a_content_type_is_understood(api: ServedApi) -> None:
    body = json.dumps({"model": "m", "prompt": "hi"}).encode()
    for kind in ({}, {"content-type": "application/x-www-form-urlencoded"}):
        assert (await api.http.post("/api/generate", content=body, headers=kind)).status_code == 200


async def test_models_are_listed_and_described_with_or_without_a_tag(api: ServedApi) -> None:
    (found,) = (await api.http.get("/api/tags")).json()["models"]
    assert (found["name"], found["details"]["family"], found["details"]["format"]) == ("tiny", "llama", "gguf")
    for name in ("tiny", "tiny:latest"):
        shown = (await api.post("/api/show", model=name)).json()
        assert shown["capabilities"] == ["completion"] and shown["model_info"]["llama.context_length"] == 512
    assert (await api.post("/api/show", model="none")).status_code == 404


@pytest.mark.parametrize(
    ("template", "before", "loaded"), [(HERMES, True, True), (XML, True, False), (CHATML, False, False)]
)
async def test_a_template_with_tools_is_told_and_once_loaded_whether_its_calls_are_read(
    tmp_path: Path, template: str, before: bool, loaded: bool
) -> None:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_random(folder / "tiny.gguf", chat_template=template)
    async with served_api(tmp_path) as served:
        shown = ollama.ShowResponse.model_validate((await served.post("/api/show", model="tiny")).json())
        assert ("tools" in (shown.capabilities or ())) is before
        await lines(served, "/api/generate", model="tiny")
        assert ("tools" in (await served.post("/api/show", model="tiny")).json()["capabilities"]) is loaded


async def test_no_prompt_loads_the_model(api: ServedApi) -> None:
    assert (await api.http.get("/api/ps")).json() == {"models": []}
    (answer,) = await lines(api, "/api/generate", model="tiny:latest")
    assert (answer["done"], answer["done_reason"]) == (True, "load")
    held = ollama.ProcessResponse.model_validate((await api.http.get("/api/ps")).json())
    assert [(one.model, one.size_vram, one.context_length) for one in held.models] == [("tiny", 0, 512)]
    assert (await api.post("/api/chat", model="none")).status_code == 404


async def test_a_format_holds_the_answer(api: ServedApi) -> None:
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    for wanted, held in (("json", {"type": "object"}), (schema, schema)):
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "format": wanted}
        assert (await api.http.post("/api/chat", json=body)).status_code == 200
        assert api.source.requests[-1].constraint == Constraint.of_schema(held)
