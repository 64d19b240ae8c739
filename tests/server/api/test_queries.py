"""``/query``: who answers where nobody is named, and why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.scripted_openai_server import Act, ScriptedServer
from tests.support.served_api import ServedApi, served_api


@pytest.fixture
async def endpoints() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        server.choose = lambda model: Act(text=f"Said by {model}")
        yield server


@pytest.fixture
async def api(tmp_path: Path, endpoints: ScriptedServer) -> AsyncIterator[ServedApi]:
    config = {
        "models": {
            "thinker-32b": {"base_url": endpoints.url, "supported_tasks": ["math", "reasoning"]},
            "light-8b": {"base_url": endpoints.url, "supported_tasks": ["translation", "simple"]},
            "plain-70b": {"base_url": endpoints.url},
        }
    }
    async with served_api(tmp_path, config=config) as served:
        yield served


@pytest.mark.parametrize(
    ("query", "model"),
    [("解方程：2x² + 5x - 3 = 0", "thinker-32b"), ("将'你好'翻译成英文", "light-8b")],
)
async def test_auto_asks_whoever_suits_the_question_and_says_why(api: ServedApi, query: str, model: str) -> None:
    preferences = {"strategy": "auto", "quality_priority": 0.8}
    said = (await api.post("/query", query=query, preferences=preferences, user_id="demo_user")).json()
    assert (said["result"], said["model"], said["answered_by"]) == (f"Said by {model}", model, model)
    assert (said["strategy_used"], said["processing_time"] >= 0) == ("auto:model", True)
    assert any(model in reason for reason in said["why"])


async def test_a_decision_is_told_without_asking_anybody(api: ServedApi, endpoints: ScriptedServer) -> None:
    found = (await api.post("/query/decision", query="翻译：早上好")).json()
    assert (found["target"], found["task_type"], found["decided_by"]) == ("light-8b", "translation", "rules")
    assert {one["target"] for one in found["alternatives"]} == {"thinker-32b", "plain-70b"}
    assert endpoints.received == []


async def test_where_the_chosen_one_fails_the_next_best_answers(api: ServedApi, endpoints: ScriptedServer) -> None:
    endpoints.usual["light-8b"] = Act(kind="status", status=500)
    endpoints.choose = None
    said = (await api.post("/query", query="翻译：早上好")).json()
    assert (said["model"], said["result"]) == ("plain-70b", "hello world")
    assert "'light-8b' was asked first and failed" in said["why"][-1]


async def test_a_question_that_is_itself_wrong_is_asked_of_nobody_else(
    api: ServedApi, endpoints: ScriptedServer
) -> None:
    said = await api.post("/query", query="翻译：早上好", preferences={"max_tokens": 9_000_000})
    assert (said.status_code, endpoints.received) == (400, [])


async def test_direct_and_a_named_model_are_not_routed(api: ServedApi) -> None:
    for preferences in ({"model": "plain-70b"}, {"model": "plain-70b", "strategy": "direct"}):
        said = (await api.post("/query", query="翻译：早上好", preferences=preferences)).json()
        assert (said["model"], said["strategy_used"]) == ("plain-70b", "direct")
        assert "why" not in said
    assert (await api.post("/query", query="hi", preferences={"strategy": "direct"})).status_code == 400


async def test_weights_out_of_range_are_refused(api: ServedApi) -> None:
    said = await api.post("/query", query="hi", preferences={"quality_priority": 1.5})
    assert (said.status_code, said.json()["error"]["param"]) == (400, "preferences.quality_priority")


async def test_with_nobody_there_it_says_so(tmp_path: Path) -> None:
    async with served_api(tmp_path) as empty:
        said = await empty.post("/query", query="hi")
    assert (said.status_code, said.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_server_with_a_model_of_its_own_asks_it_unless_a_choice_is_asked_for(
    tmp_path: Path, endpoints: ScriptedServer
) -> None:
    config = {"models": {"light-8b": {"base_url": endpoints.url}, "m-1b": {"base_url": endpoints.url}}}
    async with served_api(tmp_path, config=config, default_model="light-8b") as api:
        usual = (await api.post("/query", query="hi")).json()
        chosen = (await api.post("/query", query="hi", preferences={"strategy": "auto", "quality_priority": 0})).json()
    assert (usual["model"], usual["strategy_used"]) == ("light-8b", "direct")
    assert (chosen["model"], chosen["strategy_used"]) == ("m-1b", "auto:model")


async def test_counts_are_told(api: ServedApi) -> None:
    before = (await api.http.get("/query/statistics")).json()
    await api.post("/query", query="翻译：早上好", preferences={"strategy": "auto"})
    after = (await api.http.get("/query/statistics")).json()
    assert after["total_requests"] == before["total_requests"] + 1
    assert set(after) >= {"success_rate", "average_latency", "strategy_usage"}


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def test_images_go_to_a_model_that_sees_with_the_question(tmp_path: Path, endpoints: ScriptedServer) -> None:
    config = {
        "models": {
            "blind-70b": {"base_url": endpoints.url},
            "seeing-7b": {"base_url": endpoints.url, "tags": ["vision"]},
        }
    }
    async with served_api(tmp_path, config=config) as api:
        asked = {"query": "What colour is it?", "images": [PIXEL], "preferences": {"strategy": "auto"}}
        said = (await api.post("/query", **asked)).json()
        assert (said["model"], said["result"]) == ("seeing-7b", "Said by seeing-7b")
        decided = (await api.post("/query/decision", **asked)).json()
        assert decided["target"] == "seeing-7b"
        (received,) = endpoints.received
        text, image = received.body["messages"][-1]["content"]
        assert (text["text"], image["image_url"]["url"]) == ("What colour is it?", PIXEL)
        wrong = await api.post("/query", query="hi", images=["file:///etc/passwd"])
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "images[0]")
        many = await api.post("/query", query="hi", images=[PIXEL] * 17)
        assert (many.status_code, many.json()["error"]["param"]) == (400, "images")
