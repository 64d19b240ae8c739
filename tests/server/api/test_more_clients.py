"""Libraries that people build with, unmodified, over a real socket and real model processes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.support.served_api import ServedApi, served_models
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer
from tests.support.tiny_gguf import chain, word, write_chain
from tests.support.tool_templates import HERMES

ASKED: list[Any] = [{"role": "user", "content": "hello world"}]
SAID = " one two three"

pytestmark = pytest.mark.slow


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """A model that says "one two three" whatever it is asked, and one of random weights with tools."""
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_chain(folder / "tiny.gguf", chain([word(said) for said in ("\n", "▁one", "▁two", "▁three")]))
    make_checkpoint(tmp_path / "models" / "pytorch" / "caller", tokenizer=make_tokenizer(HERMES))
    async with served_models(tmp_path) as served:
        yield served


class Wanted(BaseModel):
    city: str
    days: int


async def test_openais_client_parses_an_answer_into_a_class(api: ServedApi) -> None:
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        try:
            answer = await client.chat.completions.parse(
                model="caller", messages=ASKED, response_format=Wanted, max_tokens=400, temperature=0
            )
        except openai.LengthFinishReasonError:
            # Random weights may like long texts better than their end.
            return
        assert isinstance(answer.choices[0].message.parsed, Wanted)


async def test_langchain_asks_streams_and_binds_tools(api: ServedApi) -> None:
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    @tool  # type: ignore[untyped-decorator]
    def look(town: bool) -> str:
        """Looks out of the window."""
        return str(town)

    def model(name: str) -> Any:
        return ChatOpenAI(
            base_url=f"{api.url}/v1", api_key="none", model=name, temperature=0, max_tokens=200, max_retries=0
        )

    answer = await model("tiny").ainvoke("hello world")
    assert answer.content == SAID and answer.usage_metadata["output_tokens"] == 3
    assert "".join([chunk.content async for chunk in model("tiny").astream("hello world")]) == SAID
    called = await model("caller").bind_tools([look], tool_choice="look", parallel_tool_calls=False).ainvoke("hello")
    assert [call["name"] for call in called.tool_calls] == ["look"] and "town" in called.tool_calls[0]["args"]


async def test_litellm_asks_and_streams(api: ServedApi) -> None:
    import litellm

    asked = {"model": "openai/tiny", "messages": ASKED, "api_base": f"{api.url}/v1", "api_key": "none", "max_tokens": 8}
    answer = await litellm.acompletion(**asked, temperature=0, num_retries=0)
    assert answer.choices[0].message.content == SAID and answer.usage.completion_tokens == 3
    stream = await litellm.acompletion(**asked, temperature=0, stream=True, stream_options={"include_usage": True})
    assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]) == SAID


async def test_simon_willisons_llm_asks_and_streams(
    api: ServedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    from llm.default_plugins.openai_models import AsyncChat, Chat

    def synchronous() -> str:
        model = Chat("tiny", model_name="tiny", api_base=f"{api.url}/v1", key="none")
        model.key = "none"
        return str(model.prompt("hello world", temperature=0, max_tokens=8).text())

    assert await asyncio.to_thread(synchronous) == SAID
    model = AsyncChat("tiny", model_name="tiny", api_base=f"{api.url}/v1")
    model.key = "none"
    response = model.prompt("hello world", temperature=0, max_tokens=8)
    assert "".join([piece async for piece in response]) == SAID
    assert (await response.usage()).output == 3


async def test_lm_evals_chat_client_generates(api: ServedApi) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models.openai_completions import LocalChatCompletion

    def asked() -> list[str]:
        model = LocalChatCompletion(
            base_url=f"{api.url}/v1/chat/completions",
            model="tiny",
            tokenizer_backend=None,
            num_concurrent=2,
            max_retries=1,
            verify_certificate=False,
        )
        prompts = [model.apply_chat_template([{"role": "user", "content": f"hello {n}"}]) for n in range(4)]
        generate = {"max_gen_toks": 8, "temperature": 0, "until": ["three"]}
        requests = [
            Instance(request_type="generate_until", doc={}, arguments=(prompt, generate), idx=0) for prompt in prompts
        ]
        return list(model.generate_until(requests, disable_tqdm=True))

    assert await asyncio.to_thread(asked) == [" one two "] * 4


async def test_ollamas_client_is_held_to_a_schema(api: ServedApi) -> None:
    import ollama

    schema: dict[str, Any] = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    schema["additionalProperties"] = False
    answer = await ollama.AsyncClient(host=api.url).chat(
        model="caller", messages=ASKED, format=schema, options={"num_predict": 60, "temperature": 0}
    )
    assert list(json.loads(answer.message.content or "")) == ["yes"]
