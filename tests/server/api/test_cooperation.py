"""Several models together over the API: as a model name, and as a task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openai
import pytest

from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.core.exceptions import ModelProcessDied
from multi_llm_comparator.tracking.store import Store
from tests.cooperation.making import spec_of
from tests.support.gateways import hang
from tests.support.served_api import ServedApi, served_api, until

ASKED: list[Any] = [{"role": "user", "content": "How many legs have 3 cats?"}]


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    saved = SavedCooperations(lambda: (), tmp_path / "configs" / "cooperations")
    saved.save("voting", spec_of("voting", "a", "b", "c", stop_early=False))
    saved.save("mine", spec_of("parallel", "a", "b", integrator="c"))
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    async with served_api(tmp_path, store=store) as served:
        served.source.usual |= {"a": "It is 12.", "b": "12", "c": "13"}
        yield served
    store.close()


async def test_a_vote_is_asked_through_the_openai_client(api: ServedApi) -> None:
    client = openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0)
    names = [model.id async for model in client.models.list()]
    assert {"cooperate:voting", "cooperate:council", "cooperate:mine"} <= set(names)
    answer = await client.chat.completions.create(
        model="cooperate:voting", messages=ASKED, temperature=0.3, max_tokens=50
    )
    assert answer.choices[0].message.content == "It is 12."
    assert {request.config.temperature for request in api.source.requests} == {0.3}
    assert answer.usage is not None
    told = answer.usage.model_dump()["cooperation"]
    assert [(v["choice"], v["voters"]) for v in told["votes"]] == [("12", 2), ("13", 1)]
    assert answer.usage.completion_tokens == sum(member["completion_tokens"] for member in told["members"])
    run = (await api.http.get(f"/api/runs/{told['run_id']}")).json()
    assert (run["kind"], run["status"]) == ("cooperation", "done")
    await client.close()


async def test_a_stream_tells_of_the_members_as_reasoning(api: ServedApi) -> None:
    client = openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0)
    stream = await client.chat.completions.create(model="cooperate:mine", messages=ASKED, stream=True)
    deltas = [chunk.choices[0].delta async for chunk in stream if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "13"
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert "a (answer): It is 12." in thought and "c (integration): 13" in thought
    await client.close()


async def test_the_conversation_before_is_given_to_the_members(api: ServedApi) -> None:
    said = [{"role": "system", "content": "Be brief."}, *ASKED, {"role": "assistant", "content": "12"}]
    await api.post(
        "/v1/chat/completions", model="cooperate:mine", messages=[*said, {"role": "user", "content": "Sure?"}]
    )
    assert [m.content for m in api.source.requests[0].messages] == ["Be brief.", ASKED[0]["content"], "12", "Sure?"]


async def test_a_task_is_asked_as_the_query_says(api: ServedApi) -> None:
    asked = {"query": "How many legs?", "mode": "parallel", "models": ["a", "b"], "integration_strategy": "ensemble"}
    answer = (await api.http.post("/cooperation/task", params=asked)).json()
    assert (answer["result"], answer["models"], answer["mode"]) == ("It is 12.", ["a", "b"], "parallel")
    assert answer["integration_strategy"] == "ensemble"
    assert answer["processing_time"] >= 0
    assert {member["model"] for member in answer["members"]} == {"a", "b"}


async def test_a_task_is_asked_as_the_body_says(api: ServedApi) -> None:
    body = {"query": "How many legs?", "mode": "voting", "models": ["a", "c", "b"], "integrator": "c"}
    answer = (await api.post("/cooperation/task", **body)).json()
    assert (answer["result"], answer["left_out"]) == ("It is 12.", [])
    answer = (await api.post("/cooperation/task", query="How many legs?", mode="voting")).json()
    assert answer["models"] == ["a", "b", "c"]


async def test_a_member_that_fails_is_told_and_a_task_without_any_answer_is_an_error(api: ServedApi) -> None:
    api.source.usual |= {"a": ModelProcessDied("gone"), "b": ModelProcessDied("gone too")}
    answer = (await api.post("/cooperation/task", query="x", models=["a", "c"])).json()
    assert (answer["result"], answer["left_out"][0]["model"]) == ("13", "a")
    answer = await api.post("/cooperation/task", query="x", models=["a", "b"])
    assert answer.status_code == 500
    assert "gone too" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"models": ["a"]}, "query"),
        ({"query": "x", "mode": "magic"}, "mode"),
        ({"query": "x", "models": ["a"], "mode": "cascade"}, None),
        ({"query": "x", "models": ["cooperate:voting"]}, None),
        ({"query": "x", "models": ["a"], "integration_strategy": "magic"}, None),
    ],
)
async def test_a_task_that_cannot_be_is_refused(api: ServedApi, body: dict[str, Any], param: str | None) -> None:
    answer = await api.post("/cooperation/task", **body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_client_that_leaves_stops_every_member(api: ServedApi) -> None:
    api.source.usual |= {"a": hang, "b": hang}
    for asked in (
        api.post("/cooperation/task", query="x", models=["a", "b"]),
        api.post("/v1/chat/completions", model="cooperate:mine", messages=ASKED, stream=True),
    ):
        task = asyncio.ensure_future(asked)
        await until(lambda: api.source.running.total() == 2)
        task.cancel()
        await until(lambda: not api.source.running.total())
    while {run["status"] for run in (await api.http.get("/api/runs")).json()["data"]} != {"stopped"}:
        await asyncio.sleep(0.01)


async def test_what_a_cooperation_cannot_do_is_refused(api: ServedApi) -> None:
    answer = await api.post("/v1/chat/completions", model="cooperate:nothing", messages=ASKED)
    assert answer.status_code == 404
    answer = await api.post("/v1/completions", model="cooperate:voting", prompt="x")
    assert answer.status_code == 400
