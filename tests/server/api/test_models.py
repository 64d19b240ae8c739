from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anthropic
import pytest

from tests.support.served_api import ServedApi, served_api
from tests.support.tiny_gguf import write_random

CONFIG = {
    "models": {
        "far": {"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": "x"},
        "named/with-a-slash": {"base_url": "http://127.0.0.1:9/v1"},
    },
    "task_groups": {
        "here": {"echelon1": {"models": ["tiny"]}},
        "nowhere": {"echelon1": {"models": ["missing"]}},
        "mixed": {"echelon1": {"models": ["missing"]}, "echelon2": {"models": ["far"], "priority": 2}},
    },
    "polling_pools": {"pool": {"task_groups": ["here"]}},
    "nodes": {"node": {"config": {"llm_group": "here"}}},
}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_random(folder / "tiny.gguf")
    (folder / "broken.gguf").write_bytes(b"no model")
    async with served_api(tmp_path, config=CONFIG) as served:
        yield served


async def test_whatever_can_answer_is_listed_and_nothing_else(api: ServedApi) -> None:
    answer = (await api.http.get("/v1/models")).json()
    assert answer["object"] == "list"
    assert {one["id"]: one["kind"] for one in answer["data"]} == {
        "tiny": "local",
        "far": "endpoint",
        "named/with-a-slash": "endpoint",
        "here": "group",
        "mixed": "group",
        "pool": "pool",
        "node": "node",
    }
    assert all(one["object"] == "model" and one["owned_by"] and one["created"] >= 0 for one in answer["data"])


@pytest.mark.parametrize("name", ["tiny", "far", "named/with-a-slash", "here", "mixed.echelon2", "pool"])
async def test_one_is_found_by_its_name(api: ServedApi, name: str) -> None:
    for prefix in ("/v1", ""):
        answer = await api.http.get(f"{prefix}/models/{name}")
        assert (answer.status_code, answer.json()["id"]) == (200, name)


@pytest.mark.parametrize("name", ["tine", "nowhere.echelon1", "broken", "here.echelon9"])
async def test_what_cannot_answer_is_not_found(api: ServedApi, name: str) -> None:
    answer = await api.http.get(f"/v1/models/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_local_model_is_found_by_its_id_too(api: ServedApi) -> None:
    (found,) = (await api.http.get("/api/tags")).json()["models"][:1]
    assert (await api.http.get(f"/v1/models/{found['digest']}")).json()["id"] == "tiny"


async def test_anthropics_client_lists_them_in_its_own_form(api: ServedApi) -> None:
    listed = [one["id"] for one in (await api.http.get("/v1/models")).json()["data"]]
    async with anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client:
        assert [one.id async for one in client.models.list()] == listed
        assert [one.id async for one in client.models.list(limit=2)] == listed
        found = await client.models.retrieve("tiny")
    assert (found.type, found.display_name, found.max_input_tokens) == ("model", "tiny", 512)
    anthropic.types.ModelInfo.model_validate(found.model_dump())
