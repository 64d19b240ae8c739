"""Clients as they are published, over a real socket and real model processes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest
from openai.resources.responses import Responses

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.server.api.anthropic_forms import MessagesForm
from multi_llm_comparator.server.api.forms import REFUSED, Form
from multi_llm_comparator.server.api.ollama_forms import OllamaChatForm, OllamaGenerateForm, Options
from multi_llm_comparator.server.api.openai_forms import ChatForm, CompletionForm
from multi_llm_comparator.server.api.responses_form import ResponsesForm
from multi_llm_comparator.services.inference_engine import InferenceEngine
from tests.support.scripted_models import Catalogue, scripted_model
from tests.support.served_api import ServedApi, served_api, served_models, until
from tests.support.tiny_gguf import chain, word, write_chain

ASKED: list[Any] = [{"role": "user", "content": "hello world"}]
GREEDY: dict[str, Any] = {"model": "tiny", "messages": ASKED, "max_tokens": 8, "temperature": 0}


# What goes into headers, or into none of our business.
OF_THE_CLIENT = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
SAID, SAID_TOKENS = " one two three", 3


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """A model that says "one two three" whatever it is asked."""
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_chain(folder / "tiny.gguf", chain([word(said) for said in ("\n", "▁one", "▁two", "▁three")]))
    async with served_models(tmp_path) as served:
        yield served


async def test_openais_client_gets_the_same_in_every_way(api: ServedApi) -> None:
    said = {}

    def synchronous() -> None:
        with openai.OpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["tiny"]
            assert client.models.retrieve("tiny").id == "tiny"
            answer = client.chat.completions.create(**GREEDY)
            said["whole"] = answer.choices[0].message.content
            assert answer.choices[0].finish_reason == "stop"
            assert answer.usage is not None and answer.usage.completion_tokens == SAID_TOKENS
            chunks = client.chat.completions.create(**GREEDY, stream=True, stream_options={"include_usage": True})
            said["stream"] = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
            with client.chat.completions.stream(**GREEDY) as stream:
                said["helper"] = stream.get_final_completion().choices[0].message.content
            text = client.completions.create(model="tiny", prompt=["one", "two"], max_tokens=4)
            assert [choice.index for choice in text.choices] == [0, 1]

    await asyncio.to_thread(synchronous)
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        said["async"] = (await client.chat.completions.create(**GREEDY)).choices[0].message.content
        async with client.chat.completions.stream(**GREEDY) as stream:
            said["async helper"] = (await stream.get_final_completion()).choices[0].message.content
        async with asyncio.timeout(60):
            many = await asyncio.gather(*(client.chat.completions.create(**GREEDY) for _ in range(8)))
        said |= {f"of many {number}": one.choices[0].message.content for number, one in enumerate(many)}
    assert set(said.values()) == {SAID}


async def test_openais_client_raises_its_own_errors(api: ServedApi) -> None:
    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(**{**GREEDY, "model": "tinny"})
        assert missing.value.code == "model_not_found" and "'tiny'" in str(missing.value)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(**GREEDY, verbosity="high")
        assert refused.value.param == "verbosity"
        with pytest.raises(openai.BadRequestError) as long:
            await client.chat.completions.create(**{**GREEDY, "messages": [{"role": "user", "content": "x" * 3000}]})
        assert long.value.code == "context_length_exceeded"


async def test_anthropics_client_gets_the_same_in_every_way(api: ServedApi) -> None:
    asked = {"model": "tiny", "messages": ASKED, "max_tokens": 2, "extra_body": {"temperature": 0}}
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client:
        whole = await client.messages.create(**asked)
        assert whole.stop_reason == "max_tokens" and whole.usage.output_tokens == 2
        async with client.messages.stream(**asked) as stream:
            streamed = "".join([text async for text in stream.text_stream])
            final = await stream.get_final_message()
        assert whole.content[0].text == streamed == final.content[0].text == " one two"
        assert final.usage.output_tokens == 2
        counted = await client.messages.count_tokens(model="tiny", messages=ASKED)
        assert counted.input_tokens == whole.usage.input_tokens + (whole.usage.cache_read_input_tokens or 0)
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.create(**{**asked, "model": "none"})

    def synchronous() -> str:
        with anthropic.Anthropic(base_url=api.url, api_key="none", max_retries=0) as client:
            return str(client.messages.create(**asked).content[0].text)

    assert await asyncio.to_thread(synchronous) == streamed


async def test_ollamas_client_gets_the_same_in_every_way(api: ServedApi) -> None:
    options = {"num_predict": 2, "temperature": 0, "repeat_penalty": 1.0}
    client = ollama.AsyncClient(host=api.url)
    assert [model.model for model in (await client.list()).models] == ["tiny"]
    details = (await client.show("tiny")).details
    assert details is not None and details.family == "llama"
    whole = await client.chat(model="tiny", messages=ASKED, options=options)
    assert whole.done_reason == "length" and whole.eval_count == 2
    pieces = await client.chat(model="tiny", messages=ASKED, options=options, stream=True)
    assert "".join([piece.message.content or "" async for piece in pieces]) == whole.message.content == " one two"
    generated = await client.generate(model="tiny", prompt="hello world", options=options)
    assert generated.response == whole.message.content
    with pytest.raises(ollama.ResponseError) as missing:
        await client.chat(model="none", messages=ASKED)
    assert missing.value.status_code == 404
    synchronous = ollama.Client(host=api.url)
    again = await asyncio.to_thread(synchronous.chat, model="tiny", messages=ASKED, options=options)
    assert again.message.content == whole.message.content


@pytest.fixture
def slow(tmp_path: Path) -> ModelInfo:
    """A model at whose pace a client has all the time to leave; asked for trouble, it makes some."""
    fault = {"kind": "error", "pattern": "break", "after_tokens": 2, "message": "the script says so"}
    return scripted_model(tmp_path, "slow", otherwise="word " * 10_000, tokens_per_second=50, faults=[fault])


async def test_a_client_that_leaves_frees_its_place_in_the_model_process(tmp_path: Path, slow: ModelInfo) -> None:
    engine = InferenceEngine(models=Catalogue(slow))
    async with (
        served_api(tmp_path, engine=engine, local=engine) as api,
        openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client,
    ):
        stream = await client.chat.completions.create(model="slow", messages=ASKED, stream=True)
        async for _ in stream:
            break
        assert [model.active for model in engine.loaded_models()] == [1]
        await stream.close()
        await until(lambda: not engine.loaded_models()[0].active)
        waiting = asyncio.ensure_future(client.chat.completions.create(model="slow", messages=ASKED))
        await until(lambda: engine.loaded_models()[0].active == 1)
        waiting.cancel()
        await until(lambda: not engine.loaded_models()[0].active)


async def test_openais_client_raises_when_a_stream_breaks(tmp_path: Path, slow: ModelInfo) -> None:
    engine = InferenceEngine(models=Catalogue(slow))
    async with (
        served_api(tmp_path, engine=engine, local=engine) as api,
        openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client,
    ):
        asked: list[Any] = [{"role": "user", "content": "break"}]
        stream = await client.chat.completions.create(model="slow", messages=asked, stream=True)
        with pytest.raises(openai.APIError, match="the script says so"):
            async for _ in stream:
                pass


@pytest.mark.parametrize(
    ("form", "create"),
    [
        (ChatForm, openai.resources.chat.completions.Completions.create),
        (CompletionForm, openai.resources.Completions.create),
        (ResponsesForm, Responses.create),
        (MessagesForm, anthropic.resources.Messages.create),
        (OllamaChatForm, ollama.Client.chat),
        (OllamaGenerateForm, ollama.Client.generate),
    ],
)
def test_nothing_that_a_client_can_send_is_unknown(form: type[Form], create: Callable[..., Any]) -> None:
    sent = set(inspect.signature(create).parameters) - OF_THE_CLIENT
    assert sent - form.model_fields.keys() - form.ignored <= form.neutral.keys()


def test_no_option_of_ollamas_client_is_unknown() -> None:
    sent = ollama.Options.model_fields.keys()
    assert sent - Options.model_fields.keys() - Options.ignored <= Options.neutral.keys()


@pytest.mark.parametrize(
    "form", [ChatForm, CompletionForm, ResponsesForm, MessagesForm, OllamaChatForm, OllamaGenerateForm, Options]
)
def test_a_field_that_is_refused_says_why(form: type[Form]) -> None:
    assert form.neutral.keys() <= REFUSED.keys()
    assert not form.neutral.keys() & form.model_fields.keys()
    assert not form.ignored & (form.neutral.keys() | form.model_fields.keys())
