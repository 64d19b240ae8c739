"""Stored runs over HTTP, and the paths without any standard's form."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.api.planned import ASKED, planned_api
from tests.support.served_api import ServedApi, frames


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    async with planned_api(tmp_path, monkeypatch) as served:
        yield served


async def test_runs_are_listed_followed_and_exported(api: ServedApi) -> None:
    run_id = (await api.post("/v1/chat/completions", **ASKED)).json()["run_id"]
    listed = (await api.http.get("/api/runs", params={"kind": "plan", "text": "23 + 48"})).json()
    assert ([one["id"] for one in listed["data"]], listed["total"]) == ([run_id], 1)
    assert (await api.http.get("/api/runs", params={"kind": "comparison"})).json()["data"] == []
    followed = await api.http.get(f"/api/runs/{run_id}/events")
    assert followed.headers["content-type"].startswith("text/event-stream")
    assert [json.loads(frame)["state"] for frame in frames(followed.text)] == ["done"]
    for format, kind in (
        ("json", "application/json"),
        ("csv", "text/csv"),
        ("html", "text/html"),
        ("svg", "image/svg"),
    ):
        file = await api.http.get(f"/api/runs/{run_id}/export", params={"format": format})
        assert file.status_code == 200 and file.headers["content-type"].startswith(kind)
        assert file.headers["content-disposition"].startswith("attachment")
    stopped = (await api.http.post(f"/api/runs/{run_id}/stop")).json()
    assert stopped["status"] == "done"


@pytest.mark.parametrize("path", ["", "/events", "/export"])
async def test_a_run_that_is_not_there_is_not_found(api: ServedApi, path: str) -> None:
    answer = await api.http.get(f"/api/runs/nowhere{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "run_not_found")


async def test_a_format_that_is_none_is_refused(api: ServedApi) -> None:
    run_id = (await api.post("/v1/chat/completions", **ASKED)).json()["run_id"]
    answer = await api.http.get(f"/api/runs/{run_id}/export", params={"format": "exe"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value")


async def test_the_status_counts_and_health_answers_in_both_forms(api: ServedApi) -> None:
    assert (await api.http.get("/status")).json()["total_requests"] == 0
    await api.chat()
    status = (await api.http.get("/status")).json()
    assert (status["total_requests"], status["system_health"], status["active_models"]) == (1, 1.0, [])
    assert isinstance(status["uptime"], str)
    assert (await api.http.get("/health")).text == "ok"
    assert (await api.http.get("/health", headers={"accept": "application/json"})).json() == {"status": "ok"}
