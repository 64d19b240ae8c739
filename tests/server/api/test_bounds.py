"""What comes in has bounds, and each says so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from multi_llm_comparator.core.events import Event, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.server import leaving
from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.api.bounds import MAX_CONTAINERS, MAX_VALUES, Crowd, parts_of
from multi_llm_comparator.server.guard import Guard
from tests.support.gateways import hang
from tests.support.growth import grows_evenly
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


async def test_the_bodies_of_all_requests_in_work_are_bounded_together(tmp_path: Path) -> None:
    async with served_api(tmp_path, most_bytes=2000, most_held_bytes=3000) as api:
        api.source.usual["m"] = hang
        waiting = [asyncio.ensure_future(api.chat("x" * 1300)) for _ in range(2)]
        await until(lambda: api.source.running["m"] == 2)
        answer = await api.chat("x" * 1300)
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        for one in waiting:
            one.cancel()
        await until(lambda: not api.source.running.total())
        api.source.usual["m"] = "room again"
        await until_answered(api)
        # What was refused, for whatever reason, is not held for ever.
        for _ in range(5):
            assert (await api.chat("x" * 2000)).status_code == 413
        assert (await api.chat("x" * 1300)).status_code == 200


async def test_a_body_that_does_not_come_gives_its_place_back(tmp_path: Path) -> None:
    async with served_api(tmp_path, most_at_once=1, body_s=1) as api:
        address = urlsplit(api.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert b" 408 " in await reader.readline()
        writer.close()
        await until_answered(api)


async def test_a_client_that_leaves_before_its_body_is_whole_is_nobodys_fault(tmp_path: Path) -> None:
    async with served_api(tmp_path, most_at_once=1) as api:
        address = urlsplit(api.url)
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 100\r\n\r\n{{"
        writer.write(head.encode())
        await writer.drain()
        writer.close()
        await until_answered(api)
        assert api.source.asked == ["m"]


async def test_what_only_looks_is_counted_too_and_takes_no_place_of_who_asks() -> None:
    entered, opened = asyncio.Event(), asyncio.Event()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/follow":
            entered.set()
            await opened.wait()
        await PlainTextResponse("here")(scope, receive, send)

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(Crowd(inner, most=1)), base_url="http://api") as http:
        following = asyncio.ensure_future(http.get("/follow"))
        await entered.wait()
        assert (await http.get("/other")).status_code == 429
        assert (await http.get("/health")).text == "here"
        assert (await http.post("/v1/chat/completions", json={})).text == "here"
        opened.set()
        assert (await following).text == "here"


@pytest.mark.parametrize("many", ['[{"role":"user","content":[', "["])
async def test_a_body_of_too_many_parts_is_refused_and_a_text_that_looks_so_is_not(tmp_path: Path, many: str) -> None:
    async with served_api(tmp_path) as api:
        body = '{"model":"m","messages":' + many + "{}," * MAX_CONTAINERS + "{}]"
        headers = {"content-type": "application/json"}
        answer = await api.http.post("/v1/chat/completions", content=body, headers=headers)
        assert answer.status_code == 413 and "lists and objects" in answer.json()["error"]["message"]
        assert (await api.chat('{"a": ["\\"' * MAX_CONTAINERS)).status_code == 200


@pytest.mark.parametrize("piece", ['"', '\\"', '["', '{"a":"\\\\",', "\\", '"\\'])
def test_parts_are_counted_in_time_that_grows_as_the_body_does(piece: str) -> None:
    assert grows_evenly(lambda text: parts_of(text.encode())[0], piece)


def test_brackets_and_commas_count_outside_of_strings_alone() -> None:
    body = {"a": ["[{,", '\\",[', {"b": "\\\\"}], '"[': []}
    assert parts_of(json.dumps(body).encode()) == (4, 3)


@pytest.mark.parametrize("value", ["1,", '"a",', '"\\"",'])
async def test_a_body_of_too_many_values_is_refused_before_it_is_read(tmp_path: Path, value: str) -> None:
    async with served_api(tmp_path) as api:
        body = '{"model":"m","input":[' + value * (MAX_VALUES + 1) + value[:-1] + "]}"
        headers = {"content-type": "application/json"}
        answer = await api.http.post("/v1/embeddings", content=body, headers=headers)
        assert answer.status_code == 413 and "values" in answer.json()["error"]["message"]


async def endless(request: GenerationRequest) -> AsyncIterator[Event]:
    number = 0
    while True:
        number += 1
        yield TextDelta(request_id=request.id, text="on and on " * 1000, tokens=number)
        await asyncio.sleep(0)


async def test_a_client_that_does_not_read_has_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "UNREAD_S", 0.5)
    async with served_api(tmp_path, most_at_once=1) as api:
        api.source.script("m", endless)
        address = urlsplit(api.url)
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]})
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        _, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
        writer.write((head + body).encode())
        await until(lambda: api.source.running["m"] == 1)
        await until(lambda: api.source.running["m"] == 0)
        await until_answered(api)
        writer.close()
