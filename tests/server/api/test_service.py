from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.tracking.store import Store
from tests.applications.documents import pdf
from tests.support.gateways import hang
from tests.support.served_api import ServedApi, served_api, until

TEXT = "Revenue rose by 28% in the third quarter. Raw materials cost 12% more than before."


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ServedApi]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    async with served_api(tmp_path, store=store) as served:
        yield served
    store.close()


async def test_a_document_is_analysed_as_the_seed_asks_for_it(api: ServedApi) -> None:
    claim = {"quote": "Revenue rose by 28%", "claim": "Revenue grew by 28%."}
    api.source.script("m", json.dumps({"claims": [claim]}), "Revenue rose by 28% in the third quarter [1].")
    body = {"service_type": "document_analysis", "content": TEXT, "parameters": {"analysis_type": "summary"}}
    body["parameters"]["model"] = "m"  # type: ignore[index]
    answer = (await api.post("/service", **body, user_id="demo_user")).json()
    assert answer["success"] and answer["processing_time"] > 0 and answer["completion_tokens"] > 0
    assert answer["result"]["analysis"].startswith("## Summary") and answer["result"]["document_length"] == 15
    assert answer["result"]["claims"][0]["place"]["paragraph"] == 1
    export = await api.http.get(f"/api/runs/{answer['request_id']}/export?format=docx")
    assert export.status_code == 200 and export.content.startswith(b"PK")


async def test_files_come_in_base64_and_no_model_is_needed(api: ServedApi) -> None:
    content = base64.b64encode(pdf(["Sales: Jan: 5, Feb: 7, Mar: 9"])).decode()
    parameters = {"insight_type": "trends", "encoding": "base64", "name": "a.pdf", "model": ""}
    answer = await api.post("/service", service_type="data_insight", content=content, parameters=parameters)
    result = answer.json()["result"]
    assert result["data_points"] == 3 and "trend_analysis" in result and not api.source.asked


async def test_what_is_wrong_with_a_request_is_said(api: ServedApi) -> None:
    wrong = await api.post("/service", service_type="documents", content="x")
    assert wrong.status_code == 400 and "document_analysis" in wrong.json()["error"]["message"]
    unreadable = await api.post("/service", service_type="data_insight", content="no numbers", parameters={"model": ""})
    body = unreadable.json()
    assert unreadable.status_code == 200 and not body["success"] and "no data" in body["error"]


async def test_a_client_that_leaves_stops_the_service(api: ServedApi) -> None:
    import httpx2

    api.source.usual["m"] = hang
    body = {"service_type": "decision_support", "content": example_text("decision_support", "en")}
    with pytest.raises(httpx2.TimeoutException):
        await api.http.post("/service", json={**body, "parameters": {"model": "m"}}, timeout=4.0)
    await until(lambda: not api.source.running.total())
    (run,) = (await api.http.get("/api/runs?kind=service")).json()["data"]
    assert run["status"] == "stopped"
