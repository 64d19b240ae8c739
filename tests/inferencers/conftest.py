from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from tests.support.scripted_openai_server import KEY, ScriptedServer


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
