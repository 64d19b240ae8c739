"""Keys and signed tokens at the gate, and what they may take, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp

from multi_llm_comparator.core.callers import KeyLimits
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.settings import reload_settings
from multi_llm_comparator.core.signed_tokens import make_token
from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.audit import keep_audit
from multi_llm_comparator.server.guard import Guard
from multi_llm_comparator.server.sign_in import MAX_GUESSES
from multi_llm_comparator.tracking.api_keys import ApiKey
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import UsageTotal
from tests.support.gateways import Gate, break_after_text, hang_after_text
from tests.support.redis import redis_server
from tests.support.served_api import ServedApi, served_api, until

TOKEN = "the-token-of-this-test"
SECRET = "s" * 40
PRICED = {"models": {"m": {"price": {"input_per_mtok": 1_000_000, "output_per_mtok": 1_000_000}}}}


@contextlib.asynccontextmanager
async def guarded(
    tmp_path: Path, store: Store, *, token: str | None = TOKEN, origins: Iterable[str] = (), **more: Any
) -> AsyncIterator[ServedApi]:
    access = Access(token=token, cors_origins=frozenset(origins))

    def wrapped(app: ASGIApp) -> Guard:
        return Guard(app, access, keys=lambda: store.api_keys)

    async with served_api(tmp_path, wrapped=wrapped, store=store, **more) as api:
        yield api


def made(store: Store, scopes: Iterable[str] = ("models",), **limits: Any) -> tuple[ApiKey, dict[str, str]]:
    key, secret = store.api_keys.create("a laptop", scopes, limits=KeyLimits(**limits))
    return key, {"authorization": f"Bearer {secret.get_secret_value()}"}


async def chat(api: ServedApi, headers: dict[str, str], **body: Any) -> httpx2.Response:
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], **body}
    return await api.http.post("/v1/chat/completions", json=asked, headers=headers)


async def usage(store: Store, requests: int) -> list[UsageTotal]:
    await until(lambda: sum(one.requests for one in store.usage.totals(0)) >= requests)
    return store.usage.totals(0)


async def test_a_key_asks_models_and_reaches_nothing_else(tmp_path: Path, store: Store) -> None:
    key, headers = made(store)
    async with guarded(tmp_path, store) as api:
        assert (await chat(api, {})).json()["error"]["code"] == "invalid_api_key"
        assert (await chat(api, headers)).status_code == 200
        shown = {"x-api-key": headers["authorization"].removeprefix("Bearer ")}
        assert (await chat(api, shown)).status_code == 200
        for path in ("/metrics", "/", "/settings"):
            assert (await api.http.get(path, headers=headers)).status_code == 403
        # In an address a key opens the pages, and this one may not.
        assert (await api.http.get("/", params={"token": shown["x-api-key"]})).status_code == 401
        (found,) = await usage(store, 2)
        assert (found.caller, found.model, found.requests, found.completion_tokens) == (key.id, "m", 2, 6)


async def test_a_key_with_the_scope_admin_opens_the_pages_until_it_is_revoked(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.server.callers.BELIEVED_S", 0.0)
    key, headers = made(store, ("admin",))
    async with guarded(tmp_path, store) as api:
        secret = headers["authorization"].removeprefix("Bearer ")
        assert (await api.http.get("/metrics", params={"token": secret})).status_code == 303
        assert secret not in str(api.http.cookies)
        assert (await api.http.get("/metrics")).status_code == 200
        store.api_keys.revoke(key.id)
        assert (await api.http.get("/metrics")).status_code == 401
        assert (await chat(api, headers)).status_code == 401


async def test_on_an_open_loopback_only_keys_of_ours_are_looked_at(tmp_path: Path, store: Store) -> None:
    key, headers = made(store, rpm=1)
    async with guarded(tmp_path, store, token=None) as api:
        assert (await chat(api, {"authorization": "Bearer none"})).status_code == 200
        assert (await chat(api, headers)).status_code == 200
        assert (await chat(api, headers)).status_code == 429
        assert (await chat(api, {"x-api-key": f"{key.prefix}-{'A' * 43}"})).status_code == 401


async def test_guessing_keys_is_slowed(tmp_path: Path, store: Store) -> None:
    _, headers = made(store)
    async with guarded(tmp_path, store) as api:
        wrong = {"x-api-key": f"mlc-00000000-{'A' * 43}"}
        codes = [(await chat(api, wrong)).status_code for _ in range(MAX_GUESSES + 1)]
        assert codes == [401] * MAX_GUESSES + [429]
        assert (await chat(api, headers)).status_code == 429


async def test_signed_tokens_are_taken_with_a_secret_and_bounded_by_their_key(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.server.callers.BELIEVED_S", 0.0)
    key, _ = made(store, rpm=1)

    def signed(subject: str, *scopes: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {make_token(SECRET, subject, frozenset(scopes), 60)}"}

    async with guarded(tmp_path, store) as api:
        assert (await chat(api, signed("ann"))).status_code == 401
        monkeypatch.setenv("MLC_JWT_SECRET", SECRET)
        reload_settings()
        assert (await chat(api, signed("ann"))).status_code == 200
        assert (await api.http.get("/metrics", headers=signed("ann"))).status_code == 403
        assert (await api.http.get("/metrics", headers=signed("ann", "admin"))).status_code == 200
        assert (await api.http.get("/metrics", headers=signed(key.prefix, "admin"))).status_code == 403
        asked = [(await chat(api, signed(key.prefix, "models"))).status_code for _ in range(2)]
        assert asked == [200, 429]
        store.api_keys.revoke(key.id)
        assert (await chat(api, signed(key.prefix, "models"))).status_code == 401
        assert {one.caller for one in await usage(store, 3)} == {"jwt:ann", key.id}


async def test_what_a_key_may_take_is_kept_and_the_refusal_says_when(tmp_path: Path, store: Store) -> None:
    _, headers = made(store, concurrency=1)
    gate = Gate()
    async with guarded(tmp_path, store) as api:
        api.source.script("m", gate)
        first = asyncio.ensure_future(chat(api, headers))
        await gate.has_entered()
        refused = await chat(api, headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert "1 at once" in refused.json()["error"]["message"] and int(refused.headers["retry-after"]) >= 1
        gate.opened.set()
        assert (await first).status_code == 200
        assert (await chat(api, headers)).status_code == 200


@pytest.mark.slow
async def test_through_redis_servers_count_a_keys_requests_together(tmp_path: Path, store: Store) -> None:
    _, headers = made(store, rpm=3)
    with redis_server(tmp_path) as url:
        shared = {"gateway": {"redis_url": url}}
        async with (
            guarded(tmp_path / "a", store, config=shared) as one,
            guarded(tmp_path / "b", store, config=shared) as other,
        ):
            codes = [(await chat(api, headers)).status_code for api in (one, other, one, other)]
    assert codes == [200, 200, 200, 429]


async def test_tokens_a_minute_are_reserved_before_and_corrected_after(tmp_path: Path, store: Store) -> None:
    _, headers = made(store, tpm=40)
    async with guarded(tmp_path, store) as api:
        # Each reserves about 14 and takes 6.
        codes = [(await chat(api, headers)).status_code for _ in range(8)]
        assert 429 in codes and codes.index(429) >= 4
        assert int((await chat(api, headers)).headers["retry-after"]) > 1


@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_is_kept_before_the_money_is_spent(tmp_path: Path, store: Store, stream: bool) -> None:
    _, headers = made(store, budget_per_day_usd=60.0)
    async with guarded(tmp_path, store, config=PRICED) as api:
        # The most that it could cost is 18 bytes of prompt with its surroundings and 5 tokens; it takes 6.
        answer = await chat(api, headers, stream=stream)
        assert answer.status_code == 200
        refused = answer
        for _ in range(8):
            refused = await chat(api, headers, stream=stream)
            if refused.status_code != 200:
                break
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        (found,) = await usage(store, 3)
        assert 12e6 <= found.micro_usd <= 60e6 and found.unpriced == 0


async def test_however_a_request_ends_it_is_counted_once(tmp_path: Path, store: Store) -> None:
    key, headers = made(store, concurrency=1)
    async with guarded(tmp_path, store) as api:
        api.source.script("m", break_after_text(ProviderUnavailableError("gone")), ProviderUnavailableError("gone"))
        assert (await chat(api, headers, stream=True)).status_code == 200
        assert (await chat(api, headers)).status_code == 502
        api.source.script("m", hang_after_text)
        asked = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
        async with api.http.stream("POST", "/v1/chat/completions", json=asked, headers=headers) as answer:
            async for _ in answer.aiter_lines():
                break
        # Its place is free again.
        await until(lambda: not api.source.running.total())
        while (await chat(api, headers)).status_code != 200:
            await asyncio.sleep(0.01)
        (found,) = [one for one in await usage(store, 4) if one.caller == key.id]
        assert found.failed >= 3


async def test_where_the_server_is_full_keys_of_low_priority_are_refused_first(tmp_path: Path, store: Store) -> None:
    _, low = made(store, priority="low")
    _, high = made(store, priority="high")
    gate = Gate()
    async with guarded(tmp_path, store, most_at_once=4) as api:
        api.source.usual["m"] = gate
        waiting = [asyncio.ensure_future(chat(api, high)) for _ in range(2)]
        for _ in waiting:
            await gate.has_entered()
        assert (await chat(api, low)).status_code == 429
        waiting.append(asyncio.ensure_future(chat(api, high)))
        await gate.has_entered()
        gate.opened.set()
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [200] * 3


async def test_pages_of_origins_that_are_named_may_ask_the_api_and_nothing_else(tmp_path: Path, store: Store) -> None:
    page = {"origin": "https://lab.example.org"}
    _, headers = made(store)
    async with guarded(tmp_path, store, origins=("https://lab.example.org",)) as api:
        ahead = await api.http.options("/v1/chat/completions", headers=page)
        assert ahead.status_code == 204
        assert ahead.headers["access-control-allow-origin"] == page["origin"]
        assert "Authorization" in ahead.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in ahead.headers
        assert (await chat(api, page)).headers["access-control-allow-origin"] == page["origin"]
        answer = await chat(api, {**headers, **page})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page["origin"])
        for path, origin in (("/", page["origin"]), ("/metrics", page["origin"]), ("/v1/models", "https://evil.test")):
            refused = await api.http.get(path, headers={**headers, "origin": origin})
            assert refused.status_code == 403 and "access-control-allow-origin" not in refused.headers


async def test_the_audit_says_who_did_what_and_nothing_of_its_contents(tmp_path: Path, store: Store) -> None:
    key, headers = made(store)
    log = logging.getLogger("multi_llm_comparator.audit")
    keep_audit(tmp_path / "logs" / "audit.log")
    try:
        async with guarded(tmp_path, store) as api:
            await chat(api, headers, messages=[{"role": "user", "content": "a secret plan"}])
            await chat(api, {"x-api-key": "wrong-secret"})
            await api.http.get("/v1/models", headers=headers)
    finally:
        log.handlers.pop().close()
    text = (tmp_path / "logs" / "audit.log").read_text()
    first, second = map(json.loads, text.splitlines())
    assert (first["caller"], first["path"], first["status"]) == (key.id, "/v1/chat/completions", 200)
    assert (second["caller"], second["status"], second["address"]) == ("", 401, "127.0.0.1")
    assert "secret" not in text and "Bearer" not in text
