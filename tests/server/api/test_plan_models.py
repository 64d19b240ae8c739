"""A saved plan as a model: progress as reasoning, the answer as content, its figures with the usage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, ModelNotFoundError
from multi_llm_comparator.plans.saved import SavedPlans
from tests.plans.test_plan_run import OPTIONS
from tests.server.api.planned import ASKED, planned_api
from tests.support.gateways import hang
from tests.support.served_api import ServedApi, frames, until


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    async with planned_api(tmp_path, monkeypatch) as served:
        yield served


async def test_a_plan_answers_with_its_run_and_figures(api: ServedApi) -> None:
    listed = (await api.http.get("/v1/models")).json()["data"]
    assert [(one["id"], one["kind"]) for one in listed] == [("plan:sums", "plan")]
    answer = (await api.post("/v1/chat/completions", **ASKED)).json()
    message = answer["choices"][0]["message"]
    assert message["content"] == "568"
    assert "Step 1: What is 23 + 48?" in message["reasoning_content"] == message["reasoning"]
    figures = answer["usage"]["plan"]
    assert (figures["steps"], figures["done"], figures["run_id"]) == (3, 3, answer["run_id"])
    assert answer["usage"]["completion_tokens"] > 0
    run = (await api.http.get(f"/api/runs/{answer['run_id']}")).json()
    assert (run["kind"], run["status"], run["export"]["run"]["answer"]) == ("plan", "done", "568")


async def test_a_stream_carries_progress_then_the_answer(api: ServedApi) -> None:
    answer = await api.post("/v1/chat/completions", **ASKED, stream=True, stream_options={"include_usage": True})
    told = [json.loads(frame) for frame in frames(answer.text)[:-1]]
    deltas = [one["choices"][0]["delta"] for one in told if one["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "568"
    assert "Step 3 by large: 568" in "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert told[0]["run_id"] == told[-1]["usage"]["plan"]["run_id"]


async def test_other_forms_ask_it_too(api: ServedApi) -> None:
    message = (await api.post("/v1/messages", **ASKED, max_tokens=100)).json()
    thought, said = message["content"]
    assert ("Step 1: What is 23 + 48?" in thought["thinking"], said["text"]) == (True, "568")
    assert message["usage"]["plan"]["run_id"] == message["run_id"]
    response = (await api.post("/v1/responses", model="plan:sums", input=ASKED["messages"][0]["content"])).json()
    reasoning, answer = response["output"]
    assert "Step 3 by large: 568" in reasoning["content"][0]["text"]
    assert answer["content"][0]["text"] == "568"
    for path, body in (("/v1/completions", {"prompt": "x"}), ("/api/generate", {"prompt": "x"})):
        assert (await api.post(path, model="plan:sums", **body)).status_code == 400


async def test_streams_of_other_forms_carry_progress_then_the_answer(api: ServedApi) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=api.url, api_key="none", max_retries=0) as client,
        client.messages.stream(**ASKED, max_tokens=100) as message,
    ):
        thought, said = (await message.get_final_message()).content
    assert thought.type == "thinking" and "Step 3 by large: 568" in thought.thinking
    assert said.type == "text" and said.text == "568"
    told: list[str] = []
    async with (
        openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key="none", max_retries=0) as other,
        other.responses.stream(model="plan:sums", input=ASKED["messages"][0]["content"]) as response,
    ):
        async for event in response:
            told += [event.delta] if event.type == "response.reasoning_text.delta" else []
        final = await response.get_final_response()
    assert "Step 3 by large: 568" in "".join(told) and final.output_text == "568"


async def test_a_client_that_leaves_stops_every_step(api: ServedApi) -> None:
    api.source.usual["small"] = hang
    asked = asyncio.ensure_future(api.post("/v1/chat/completions", **ASKED, stream=True))
    await until(lambda: api.source.running["small"] == 2)
    (run,) = (await api.http.get("/api/runs", params={"state": "running"})).json()["data"]
    asked.cancel()
    await until(lambda: not api.source.running.total())
    while (await api.http.get(f"/api/runs/{run['id']}")).json()["status"] != "stopped":
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"temperature": 0.7}, "temperature"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "system", "content": "x"}, ASKED["messages"][0]]}, None),
        ({"model": "plan:sum"}, "model"),
        ({"model": "plan:../../secret"}, "model"),
    ],
)
async def test_what_a_plan_cannot_honour_is_refused(api: ServedApi, more: dict[str, Any], param: str | None) -> None:
    answer = await api.post("/v1/chat/completions", **{**ASKED, **more})
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["param"] == param
    assert (await api.post("/v1/chat/completions", **ASKED, temperature=0, seed=3)).status_code == 200


def test_saved_plans_are_files_that_can_be_written_by_hand(tmp_path: Path) -> None:
    plans = SavedPlans(tmp_path)
    assert plans.names() == []
    plans.save("sums", OPTIONS)
    assert (plans.names(), plans.load("sums")) == (["sums"], OPTIONS)
    with pytest.raises(ModelNotFoundError, match="did you mean 'sums'"):
        plans.load("sum")
    with pytest.raises(ConfigurationError, match="name"):
        plans.save("../sums", OPTIONS)
    (tmp_path / "own.yaml").write_text("models: {small_model: a, large_model: b, router_model: c}\nmodle: 1")
    with pytest.raises(ConfigurationError, match=r"own\.yaml"):
        plans.load("own")
