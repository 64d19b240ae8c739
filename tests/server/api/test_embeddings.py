"""Embeddings over a real socket, with clients as they are published."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import ollama
import openai
import pytest

from multi_llm_comparator.server.api.embeddings import written
from tests.inferencers.test_embedding import make_encoder
from tests.support.served_api import ServedApi, served_models
from tests.support.tiny_checkpoint import make_checkpoint

TEXTS = ["What is three plus four?", "你好，世界。"]


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    """A model that writes, and an encoder."""
    folder = tmp_path / "models" / "pytorch"
    make_checkpoint(folder / "writer")
    make_encoder(folder / "encoder")
    async with served_models(tmp_path) as served:
        yield served


@pytest.mark.slow
async def test_published_clients_get_the_same_vectors(api: ServedApi) -> None:
    # It takes seconds to import, which only one worker of the tests has to.
    from langchain_openai import OpenAIEmbeddings

    async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as client:
        listed = {model.id: model.model_dump()["kind"] for model in (await client.models.list()).data}
        assert listed == {"writer": "local", "encoder": "embedder"}
        for name in listed:
            packed = await client.embeddings.create(model=name, input=TEXTS)
            plain = await client.embeddings.create(model=name, input=TEXTS, encoding_format="float")
            assert [one.embedding for one in packed.data] == [pytest.approx(one.embedding) for one in plain.data]
            assert packed.usage.prompt_tokens == packed.usage.total_tokens > 2
            own = await ollama.AsyncClient(host=api.url).embed(model=name, input=TEXTS)
            assert own.embeddings[1] == pytest.approx(plain.data[1].embedding)
            old = await ollama.AsyncClient(host=api.url).embeddings(model=f"{name}:latest", prompt=TEXTS[0])
            assert old.embedding == pytest.approx(plain.data[0].embedding)
            text = OpenAIEmbeddings(
                base_url=f"{api.url}/v1", api_key="none", model=name, check_embedding_ctx_length=False
            )
            assert (await text.aembed_documents(TEXTS))[0] == pytest.approx(plain.data[0].embedding)
        # Ids of its own tokenizer stand for their text.
        ids = (await api.post("/tokenize", model="writer", prompt=TEXTS[0])).json()["tokens"]
        one, several = [
            (await client.embeddings.create(model="writer", input=given, encoding_format="float")).data
            for given in (ids, [ids, ids])
        ]
        told = (await client.embeddings.create(model="writer", input=TEXTS[0], encoding_format="float")).data[0]
        for found in (*one, *several):
            assert found.embedding == pytest.approx(told.embedding, abs=1e-4)
        # What OpenAI's tokenizer makes of some text, as LangChain sends it unless told not to.
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length"):
            await client.embeddings.create(model="writer", input=[[150, 374, 220, 185, 20, 279]])
        with pytest.raises(openai.BadRequestError) as refused:
            await client.embeddings.create(model="writer", input="x", dimensions=8)
        assert refused.value.param == "dimensions"
        with pytest.raises(openai.BadRequestError, match="writes no text"):
            await client.chat.completions.create(model="encoder", messages=[{"role": "user", "content": "hi"}])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": [[-1]]}, "input"),
        ({"input": ["a", 1]}, "input"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "dimensions": 3}, "dimensions"),
        ({"input": "a", "model": "none"}, "model"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_by_name(api: ServedApi, body: dict[str, Any], param: str) -> None:
    answer = await api.post("/v1/embeddings", **{"model": "writer", **body})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"].startswith(param)


async def test_many_vectors_are_written_in_their_order() -> None:
    answer = await written({"object": "list"}, "data", 70, lambda number: [number])
    assert json.loads(bytes(answer.body)) == {"object": "list", "data": [[number] for number in range(70)]}
    assert json.loads(bytes((await written({"a": 1}, "data", 0, lambda number: number)).body)) == {"a": 1, "data": []}
