"""Images by every form of the API, to a real local model that sees; and to one that does not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.seeing import make_llava, picture
from tests.support.served_api import ServedApi, served_api
from tests.support.tiny_checkpoint import make_checkpoint

WORDS = "What is this?"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    folder = tmp_path / "models" / "pytorch"
    make_llava(folder / "seeing")
    make_checkpoint(folder / "blind")
    models = ModelManager(tmp_path / "models")
    models.scan_models()
    engine = InferenceEngine(models=models, settings=Settings(spare_process=False, home=tmp_path))
    async with served_api(tmp_path, models=models, engine=engine, local=engine) as served:
        # Importing what it needs may take longer than a client is patient.
        await engine.load("seeing")
        yield served


def data_of(url: str) -> str:
    return url.partition(",")[2]


async def openai(api: ServedApi, url: str, model: str = "seeing") -> str:
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": WORDS}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 12, "temperature": 0}
    answer = (await api.post("/v1/chat/completions", model=model, **body)).json()
    return str(answer["choices"][0]["message"]["content"])


async def responses(api: ServedApi, url: str) -> str:
    content = [{"type": "input_image", "image_url": url}, {"type": "input_text", "text": WORDS}]
    body: dict[str, Any] = {"input": [{"role": "user", "content": content}], "max_output_tokens": 12, "temperature": 0}
    answer = (await api.post("/v1/responses", model="seeing", **body)).json()
    return str(answer["output"][-1]["content"][0]["text"])


async def anthropic(api: ServedApi, url: str) -> str:
    source = {"type": "base64", "media_type": "image/png", "data": data_of(url)}
    content = [{"type": "image", "source": source}, {"type": "text", "text": WORDS}]
    body = {"messages": [{"role": "user", "content": content}], "max_tokens": 12, "temperature": 0}
    answer = (await api.post("/v1/messages", model="seeing", **body)).json()
    return str(answer["content"][0]["text"])


async def ollama(api: ServedApi, url: str) -> str:
    message = {"role": "user", "content": WORDS, "images": [data_of(url)]}
    options = {"temperature": 0, "num_predict": 12}
    answer = (await api.post("/api/chat", model="seeing", messages=[message], stream=False, options=options)).json()
    return str(answer["message"]["content"])


async def test_each_form_shows_the_model_the_picture_and_a_model_that_does_not_see_refuses(api: ServedApi) -> None:
    said = await openai(api, picture(1))

    assert said == await openai(api, picture(1))
    assert said != await openai(api, picture(2))
    # Both put the picture before the words.
    assert said == await responses(api, picture(1)) == await anthropic(api, picture(1))
    # It puts them behind.
    assert await ollama(api, picture(1)) != await ollama(api, picture(2))

    counted = {}
    for name, content in (("text", WORDS), ("both", [{"type": "text", "text": WORDS}, _anthropic_image(picture(1))])):
        body = {"model": "seeing", "messages": [{"role": "user", "content": content}]}
        counted[name] = (await api.post("/v1/messages/count_tokens", **body)).json()["input_tokens"]
    assert counted["both"] == counted["text"] + 4

    shown = (await api.post("/api/show", model="seeing")).json()
    listed = {one["id"]: one for one in (await api.http.get("/v1/models")).json()["data"]}
    assert "vision" in shown["capabilities"]
    assert listed["seeing"]["sees_images"] and "sees_images" not in listed["blind"]

    for model, url in (("blind", picture(1)), ("seeing", "https://example.org/a.png")):
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": WORDS}]
        refused = await api.post("/v1/chat/completions", model=model, messages=[{"role": "user", "content": content}])
        assert refused.status_code == 400, refused.text


def _anthropic_image(url: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data_of(url)}}
