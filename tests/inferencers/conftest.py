from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from tests.support.scripted_openai_server import KEY, ScriptedServer

# Torch is imported where it is needed: not all that is tested here does.
if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def endpoint(server: ScriptedServer) -> AsyncIterator[OpenAIEndpoint]:
    """The client of the server's model ``m``, with a key."""
    endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m", sees_images=True), SecretStr(KEY))
    yield endpoint
    await endpoint.aclose()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

    @cache
    def build(architecture: str = "llama", **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp(architecture)
        return make_checkpoint(folder, architecture, tokenizer=make_word_tokenizer(), **changes)

    return build


@pytest.fixture
def llama(checkpoint: Callable[..., Path]) -> Iterator[PyTorchEngine]:
    from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine

    engine = PyTorchEngine(str(checkpoint()), LoadOptions(n_ctx=256, use_gpu=False))
    yield engine
    engine.close()
