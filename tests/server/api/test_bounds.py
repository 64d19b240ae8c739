"""What comes in has bounds, and each says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.guard import Guard
from tests.support.gateways import hang
from tests.support.served_api import ServedApi, served_api, until

TOKEN = "the-token-of-this-test"


async def test_a_large_body_is_refused_in_the_form_of_its_path(tmp_path: Path) -> None:
    async with served_api(tmp_path, most_bytes=1000) as api:
        assert (await api.chat("x")).status_code == 200
        answer = await api.chat("x" * 1000)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "invalid_request_error")
        answer = await api.post("/v1/messages", text="x" * 1000)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "request_too_large")
        answer = await api.post("/api/chat", text="x" * 1000)
        assert (answer.status_code, answer.json().keys()) == (413, {"error"})


async def test_a_large_body_that_does_not_say_so_is_refused_too(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 100

    async with served_api(tmp_path, most_bytes=1000) as api:
        headers = {"content-type": "application/json"}
        answer = await api.http.post("/v1/chat/completions", content=pieces(), headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (413, "invalid_request_error")


@pytest.mark.parametrize("stream", [False, True])
async def test_beyond_what_is_taken_at_once_a_client_is_told_to_come_back(tmp_path: Path, stream: bool) -> None:
    async with served_api(tmp_path, most_at_once=2) as api:
        api.source.usual["m"] = hang
        waiting = [asyncio.ensure_future(api.chat(stream=stream)) for _ in range(2)]
        await until(lambda: api.source.running["m"] == 2)
        answer = await api.chat(stream=stream)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
        assert int(answer.headers["retry-after"]) >= 1
        assert (await api.http.get("/v1/models")).status_code == 200
        for one in waiting:
            one.cancel()
        await until(lambda: not api.source.running.total())
        api.source.usual["m"] = "room again"
        await until_answered(api)


async def until_answered(api: ServedApi) -> None:
    while (await api.chat()).status_code != 200:
        await asyncio.sleep(0.005)


async def test_an_unknown_path_or_method_says_what_there_is(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        answer = await api.http.get("/v1/nowhere")
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
        answer = await api.http.get("/v1/chat/completions")
        assert answer.status_code == 405 and "GET" in answer.json()["error"]["message"]


async def test_a_token_opens_the_api_in_either_header_and_refusals_have_the_form_of_their_path(tmp_path: Path) -> None:
    access = Access(token=TOKEN)
    async with served_api(tmp_path, wrapped=lambda app: Guard(app, access)) as api:
        for headers in ({"authorization": f"Bearer {TOKEN}"}, {"x-api-key": TOKEN}):
            assert (await api.http.get("/v1/models", headers=headers)).status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
            answer = await api.http.get("/v1/models", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        answer = await api.post("/v1/messages")
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
        assert (await api.post("/api/chat")).json().keys() == {"error"}
        assert (await api.http.get("/health")).text == "ok"
        assert (await api.http.get("/metrics")).status_code == 401


async def test_a_foreign_page_or_name_reaches_nothing(tmp_path: Path) -> None:
    async with served_api(tmp_path, wrapped=lambda app: Guard(app, Access())) as api:
        for headers in ({"origin": "http://evil.test"}, {"host": "evil.test"}):
            answer = await api.http.post("/v1/chat/completions", json={}, headers=headers)
            assert (answer.status_code, answer.json()["error"]["type"]) == (403, "permission_error")
        assert api.source.asked == []


async def test_health_and_figures_are_there(tmp_path: Path) -> None:
    async with served_api(tmp_path) as api:
        await api.chat()
        assert (await api.http.get("/health")).text == "ok"
        figures = (await api.http.get("/metrics")).text
        assert "mlc_gateway" in figures
