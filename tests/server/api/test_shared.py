"""What a shared link shows, to whom, and what it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.server.access import access_for
from multi_llm_comparator.server.api.shared import (
    MAX_MADE_AT_ONCE,
    MAX_WAITING,
    SHOWN_AGAIN_S,
    SharedPages,
    TooManyLookError,
)
from multi_llm_comparator.server.guard import Guard
from multi_llm_comparator.sharing.links import DAY_S, SharedLinks
from tests.server.api.planned import ASKED, planned_api
from tests.support.served_api import ServedApi, until

TOKEN = "the-token-of-this-test"
KEY = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServedApi]:
    """An API behind a closed gate."""
    access = access_for("127.0.0.1", (), TOKEN, requires_keys=True)
    async with planned_api(tmp_path, monkeypatch, wrapped=lambda app: Guard(app, access)) as served:
        yield served


async def solved(api: ServedApi) -> str:
    answer = await api.http.post("/v1/chat/completions", json=ASKED, headers=KEY)
    run_id: str = answer.json()["run_id"]
    return run_id


async def test_a_link_alone_shows_its_run_behind_a_closed_gate_and_nothing_else(api: ServedApi) -> None:
    run_id = await solved(api)
    links = SharedLinks(get_settings().home)
    link, path = links.make(run_id, DAY_S)
    assert (await api.http.get(f"/api/runs/{run_id}")).status_code == 401
    shown = await api.http.get(path)
    assert shown.status_code == 200 and "(23 + 48)" in shown.text
    assert shown.headers["content-type"].startswith("text/html")
    assert shown.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert 'lang="zh-CN"' in (await api.http.get(path, params={"lang": "zh"})).text
    # With the token of a link in place of a key nothing opens.
    for headers in ({"Authorization": f"Bearer {path.rpartition('/')[2]}"}, {"x-api-key": path.rpartition("/")[2]}):
        assert (await api.http.get("/api/runs", headers=headers)).status_code == 401
    links.take_back(link.id)
    assert (await api.http.get(path)).status_code == 404


@pytest.mark.parametrize("end", ["nothing", "a.b.c", "x" * 5000, "../api/runs", "%2e%2e/api/runs", "a/b"])
async def test_what_is_no_link_shows_nothing(api: ServedApi, end: str) -> None:
    answer = await api.http.get(f"/shared/{end}")
    assert answer.status_code in (401, 404, 422)
    assert "(23 + 48)" not in answer.text


async def test_a_link_to_a_run_that_is_gone_looks_like_one_that_never_was(api: ServedApi) -> None:
    _, path = SharedLinks(get_settings().home).make("gone", DAY_S)
    gone, never = await api.http.get(path), await api.http.get("/shared/never")
    assert (gone.status_code, gone.text) == (never.status_code, never.text) == (404, gone.text)


async def test_a_link_is_only_to_be_read(api: ServedApi) -> None:
    _, path = SharedLinks(get_settings().home).make(await solved(api), DAY_S)
    assert (await api.http.post(path)).status_code == 405


async def test_a_shown_run_is_no_page_of_the_app(api: ServedApi) -> None:
    _, path = SharedLinks(get_settings().home).make(await solved(api), DAY_S)
    assert any("sandbox" in one for one in (await api.http.get(path)).headers.get_list("content-security-policy"))


async def test_of_shared_runs_few_pages_are_made_at_once() -> None:
    opened, made = asyncio.Event(), list[str]()
    pages = SharedPages()

    async def make(name: str) -> bytes:
        made.append(name)
        await opened.wait()
        return name.encode()

    def look(name: str) -> asyncio.Future[bytes]:
        return asyncio.ensure_future(pages.page(name, "en", lambda: make(name)))

    looking = [look(f"run {n % 4}") for n in range(MAX_MADE_AT_ONCE + MAX_WAITING)]
    await until(lambda: len(made) == MAX_MADE_AT_ONCE)
    with pytest.raises(TooManyLookError):
        await look("one more")
    opened.set()
    assert [await one for one in looking] == [f"run {n % 4}".encode() for n in range(len(looking))]
    # Whoever comes a moment later is shown what was made; two at once may have begun with the same.
    assert sorted(set(made)) == [f"run {n}" for n in range(4)] and len(made) <= 4 + MAX_MADE_AT_ONCE
    assert await look("another") == b"another"


async def test_a_page_is_made_anew_after_a_moment_and_few_are_kept() -> None:
    at, made = 0.0, list[str]()
    pages = SharedPages(lambda: at)

    async def make(name: str) -> bytes:
        made.append(name)
        return f"{name} {len(made)}".encode()

    assert await pages.page("a", "en", lambda: make("a")) == await pages.page("a", "en", lambda: make("a")) == b"a 1"
    at = SHOWN_AGAIN_S
    assert await pages.page("a", "en", lambda: make("a")) == b"a 2"
    for n in range(20):
        await pages.page(str(n), "en", partial(make, str(n)))
    assert await pages.page("a", "en", lambda: make("a")) == b"a 23"
