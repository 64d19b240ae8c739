"""``/api/memory``: what the Models page does about memory, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.settings import get_settings
from tests.support.served_api import ServedApi, served_models
from tests.support.tiny_gguf import write_random


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    write_random(folder / "tiny.gguf")
    async with served_models(tmp_path) as served:
        yield served


async def test_a_model_is_loaded_kept_and_unloaded(api: ServedApi) -> None:
    (loaded,) = (await api.post("/api/memory/load", model="tiny", n_ctx=256)).json()["models"]
    assert (loaded["model"], loaded["state"], loaded["n_ctx"], loaded["active"]) == ("tiny", "ready", 256, 0)
    kept = (await api.post("/api/memory/keep", model="tiny", pinned=True, idle_unload_s=60)).json()
    assert (kept["pinned"], kept["idle_unload_s"], kept["slots"]) == (True, 60, None)
    assert get_settings().model_serving["tiny"].pinned
    (held,) = (await api.http.get("/api/memory")).json()["models"]
    assert held["kept"] == {name: kept[name] for name in held["kept"]}
    kept = (await api.post("/api/memory/keep", model="tiny", pinned=False, as_all=["idle_unload_s"])).json()
    assert (kept["pinned"], kept["idle_unload_s"]) == (False, None) and get_settings().model_serving == {}
    assert (await api.post("/api/memory/unload", model="tiny")).json() == {"model": "tiny", "unloaded": 1}
    assert (await api.http.get("/api/memory")).json() == {"models": []}
    assert (await api.post("/api/memory/unload", model="tiny")).json()["unloaded"] == 0


async def test_what_cannot_be_is_refused(api: ServedApi) -> None:
    for path in ("load", "unload", "keep"):
        assert (await api.post(f"/api/memory/{path}", model="tin")).status_code == 404
    assert (await api.post("/api/memory/load", model="tiny", n_ctx=1)).status_code == 400
    answer = await api.post("/api/memory/keep", model="tiny", as_all=["colour"])
    assert answer.status_code == 400 and "colour" in answer.json()["error"]["message"]
    assert (await api.post("/api/memory/keep", model="tiny", slots=10_000)).status_code == 400
    assert (await api.post("/api/jobs/none/move")).status_code == 501


async def test_changes_by_other_programs_are_taken_over(api: ServedApi, tmp_path: Path) -> None:
    write_random(tmp_path / "models" / "gguf" / "another.gguf", seed=1)
    (get_settings().home / "settings.yaml").write_text("max_memory_gb: 3.5\n", encoding="utf-8")
    assert (await api.post("/api/anew", settings=True, keys=["lab"])).status_code == 200
    assert get_settings().max_memory_gb == 3.5
    assert {one["id"] for one in (await api.http.get("/v1/models")).json()["data"]} == {"another", "tiny"}
    (get_settings().home / "settings.yaml").write_text("max_memory_gb: -1\n", encoding="utf-8")
    answer = await api.post("/api/anew", settings=True)
    assert answer.status_code >= 400 and get_settings().max_memory_gb == 3.5
