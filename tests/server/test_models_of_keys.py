"""A key that may ask some models asks no others, whichever form it speaks, and does not see them."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.callers import KeyLimits
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store
from tests.server.test_api_keys import PRICED, guarded, made
from tests.support.scripted_openai_server import Act, ScriptedServer

MODELS = Path(__file__).parents[2] / "models"


async def test_a_workspace_sees_and_asks_its_own_models_alone(tmp_path: Path, store: Store) -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "stream": False}
    limit = {"/v1/messages": {"max_tokens": 5}}
    async with ScriptedServer() as server:
        server.choose = lambda model: Act(text=f"Said by {model}")
        config = {
            "models": {name: {"base_url": server.url} for name in ("own-1b", "own-8b", "theirs-70b")},
            "task_groups": {"all": {"a": {"models": ["own-1b", "theirs-70b"]}}},
        }
        _, headers = made(store, models=("own-*",))
        async with guarded(tmp_path, store, config=config) as api:
            listed = (await api.http.get("/v1/models", headers=headers)).json()["data"]
            assert [one["id"] for one in listed] == ["own-1b", "own-8b"]
            tags = (await api.http.get("/api/tags", headers=headers)).json()["models"]
            assert len(tags) == 2
            assert (await api.http.get("/v1/models/theirs-70b", headers=headers)).status_code == 403

            async def answer(path: str, body: dict[str, object]) -> int:
                found = await api.http.post(path, json=body, headers=headers)
                return int(found.status_code)

            for path in ("/v1/chat/completions", "/v1/messages", "/api/chat"):
                assert await answer(path, {**asked, **limit.get(path, {}), "model": "own-8b"}) == 200, path
                for other in ("theirs-70b", "all", "all.a"):
                    assert await answer(path, {**asked, **limit.get(path, {}), "model": other}) == 403, path
            # Nor does it load or look at others, or hear how they are doing.
            for path in ("/api/chat", "/api/generate", "/api/show"):
                assert await answer(path, {"model": "theirs-70b"}) == 403, path
            status = (await api.http.get("/status", headers=headers)).json()
            assert status["models"].keys() <= {"own-1b", "own-8b"}
            assert await answer("/query", {"query": "hi", "preferences": {"model": "theirs-70b"}}) == 403
            auto = {"query": "Prove it in detail", "preferences": {"strategy": "auto", "quality_priority": 1}}
            said = (await api.http.post("/query", json=auto, headers=headers)).json()
            assert said["model"] == "own-8b"
            assert {received.model for received in server.received} <= {"own-1b", "own-8b"}


async def test_a_key_without_models_of_its_own_asks_all(tmp_path: Path, store: Store) -> None:
    key, headers = made(store)
    assert key.limits.models == ()
    async with guarded(tmp_path, store) as api:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        assert (await api.http.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200


def test_models_of_a_key_are_kept_and_checked(store: Store) -> None:
    key, _ = store.api_keys.create("a", limits=KeyLimits(models=("m", "group.*")))
    found = store.api_keys.get(key.id)
    assert found is not None and found.limits.models == ("m", "group.*")
    assert found.limits.may_ask("group.a") and not found.limits.may_ask("group")
    with pytest.raises(ConfigurationError, match="models"):
        store.api_keys.create("b", limits=KeyLimits(models=("",)))


COUNTING = "/v1/messages/count_tokens"


async def test_tokens_of_others_models_are_not_counted_either(tmp_path: Path, store: Store) -> None:
    _, headers = made(store, models=("own-*",))
    async with guarded(tmp_path, store) as api:
        body = {"model": "theirs-70b", "messages": [{"role": "user", "content": "hi"}]}
        assert (await api.http.post(COUNTING, json=body, headers=headers)).status_code == 403
        assert api.source.asked == []
        assert (await api.http.post(COUNTING, json={**body, "model": "own-8b"}, headers=headers)).status_code == 200


async def test_what_asks_for_no_text_counts_as_a_request(tmp_path: Path, store: Store) -> None:
    chat: dict[str, object] = {"model": "demo-small", "messages": [{"role": "user", "content": "hi"}]}
    bodies: dict[str, dict[str, object]] = {
        COUNTING: chat,
        "/tokenize": {"model": "demo-small", "prompt": "hi"},
        "/v1/detokenize": {"model": "demo-small", "tokens": [1]},
        "/query/decision": {"query": "hi"},
        "/api/chat": {"model": "demo-small"},
        "/api/generate": {"model": "demo-small"},
    }
    models = ModelManager(MODELS)
    async with guarded(tmp_path, store, models=models) as api:
        for path, body in bodies.items():
            _, headers = made(store, rpm=1)
            assert (await api.http.post("/query/decision", json={"query": "hi"}, headers=headers)).status_code == 200
            answer = await api.http.post(path, json=body, headers=headers)
            assert answer.status_code == 429, path
        _, headers = made(store, rpm=1)
        await api.http.post("/query/decision", json={"query": "hi"}, headers=headers)
        assert (await api.http.get("/tokenizer_info?model=demo-small", headers=headers)).status_code == 429


async def test_counting_tokens_is_within_the_budget(tmp_path: Path, store: Store) -> None:
    _, headers = made(store, budget_per_day_usd=1.0)
    async with guarded(tmp_path, store, config=PRICED) as api:
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        refused = await api.http.post(COUNTING, json=body, headers=headers)
        assert refused.status_code == 429 and api.source.asked == []
