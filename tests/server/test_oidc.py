"""Signing in by a provider: a small one of the test's own, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.guard import Guard
from multi_llm_comparator.server.oidc import (
    BEGIN,
    CALLBACK,
    PATIENCE_S,
    NotSignedInError,
    Oidc,
    Provider,
    provider_by_settings,
)
from multi_llm_comparator.server.sign_in import MAX_GUESSES
from tests.support.served_api import listening

TOKEN = "the-token-of-this-test"


class SmallProvider:
    """Signs in whoever comes, as ``ann@example.org``; what it says can be changed by ``claims`` and ``issuer``."""

    def __init__(self) -> None:
        self.url = self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.signs_with = self.key
        self.asked: dict[str, list[str]] = {}
        self.exchanged: dict[str, str] = {}
        self.times_looked_at = 0

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.configuration),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
                Route("/keys", self.keys),
            ]
        )

    async def configuration(self, request: Request) -> Response:
        self.times_looked_at += 1
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        told = {name: f"{self.url}/{path}" for name, path in places.items()}
        return JSONResponse({"issuer": self.issuer or self.url, **told})

    async def authorize(self, request: Request) -> Response:
        self.asked = parse_qs(urlsplit(str(request.url)).query)
        back, state = self.asked["redirect_uri"][0], self.asked["state"][0]
        return RedirectResponse(f"{back}?code=a-code&state={state}", 302)

    async def token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        self.exchanged = {name: values[0] for name, values in form.items()}
        digest = hashlib.sha256(self.exchanged["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != self.asked["code_challenge"][0] or self.exchanged["client_secret"] != "hush":
            return JSONResponse({"error": "invalid_grant"}, 400)
        claims = {
            "iss": self.url,
            "aud": "workbench",
            "exp": int(time.time()) + 300,
            "nonce": self.asked["nonce"][0],
            "email": "ann@example.org",
            "email_verified": True,
            **self.claims,
        }
        signed = jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.signs_with)
        return JSONResponse({"id_token": signed, "access_token": "x", "token_type": "Bearer"})

    async def keys(self, request: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))


class Place:
    """A guarded page, its provider, and a browser."""

    def __init__(self, url: str, provider: SmallProvider, browser: httpx2.AsyncClient) -> None:
        self.url, self.provider, self.browser = url, provider, browser

    async def sign_in(self) -> httpx2.Response:
        return await self.browser.get(f"{self.url}{BEGIN}", follow_redirects=True)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    small = SmallProvider()
    async with listening(small.app) as provider_url:
        small.url = provider_url
        provider = Provider(provider_url, "workbench", "hush", ("ann@example.org", "@lab.example"))

        async def page(request: Request) -> Response:
            return PlainTextResponse("the pages")

        guard = Guard(Starlette(routes=[Route("/{path:path}", page)]), Access(token=TOKEN), provider=provider)
        async with (
            listening(guard) as url,
            httpx2.AsyncClient(timeout=30, trust_env=False, headers={"accept": "text/html"}) as browser,
        ):
            yield Place(url, small, browser)


async def test_who_is_allowed_signs_in_and_stays(place: Place) -> None:
    refused = await place.browser.get(place.url)
    assert refused.status_code == 401 and BEGIN in refused.text
    assert (await place.sign_in()).text == "the pages"
    assert (await place.browser.get(f"{place.url}/settings")).text == "the pages"
    assert place.provider.exchanged["redirect_uri"].startswith(place.url)
    assert place.provider.asked["scope"] == ["openid email"]


@pytest.mark.parametrize("email", ["Bob@lab.example", " ann@example.org "])
async def test_a_domain_and_any_spelling_count(place: Place, email: str) -> None:
    place.provider.claims = {"email": email}
    assert (await place.sign_in()).text == "the pages"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"email": "eve@example.org"}, "not among those"),
        ({"email": "ann@example.org.evil.test"}, "not among those"),
        ({"email": None}, "no verified address"),
        ({"email_verified": False}, "no verified address"),
        ({"nonce": "another"}, "not believed"),
        ({"aud": "somebody else"}, "not believed"),
        ({"iss": "https://evil.test"}, "not believed"),
        ({"exp": 1000}, "not believed"),
    ],
)
async def test_who_is_not_meant_stays_outside(place: Place, changed: dict[str, Any], told: str) -> None:
    place.provider.claims = changed
    answer = await place.sign_in()
    assert answer.status_code == 403 and told in answer.text
    assert (await place.browser.get(place.url)).status_code == 401


async def test_a_token_that_somebody_else_signed_is_not_believed(place: Place) -> None:
    place.provider.signs_with = RSAKey.generate_key(2048)
    assert (await place.sign_in()).status_code == 403


async def test_a_provider_that_calls_itself_otherwise_is_not_asked(place: Place) -> None:
    place.provider.issuer = "https://evil.test"
    assert (await place.sign_in()).status_code == 403


async def test_a_link_of_somebody_else_signs_nobody_in(place: Place) -> None:
    begun = await place.browser.get(f"{place.url}{BEGIN}")
    back = await place.browser.get(begun.headers["location"])
    async with httpx2.AsyncClient(trust_env=False) as victim:
        answer = await victim.get(back.headers["location"])
        assert answer.status_code == 403 and "set-cookie" not in answer.headers
    # Tried once, it is of no use to its owner either.
    assert (await place.browser.get(back.headers["location"])).status_code == 403


def test_what_is_configured_in_part_is_said() -> None:
    assert provider_by_settings(Settings()) is None
    whole = {"oidc_issuer": "https://id.example.org/", "oidc_client_id": "x", "oidc_allowed": ("@example.org",)}
    found = provider_by_settings(Settings.model_validate(whole))
    assert found is not None and found.issuer == "https://id.example.org"
    for wrong in ({"oidc_client_id": ""}, {"oidc_allowed": ()}, {"oidc_allowed": ("ann",)}, {"oidc_issuer": "ftp://x"}):
        with pytest.raises(ConfigurationError, match="oidc"):
            provider_by_settings(Settings.model_validate({**whole, **wrong}))


async def test_a_cookie_of_any_bytes_is_no_fault_of_the_server(place: Place) -> None:
    sent = await place.browser.get(f"{place.url}{BEGIN}")
    (state,) = parse_qs(urlsplit(sent.headers["location"]).query)["state"]
    name = sent.headers["set-cookie"].partition("=")[0]
    place.browser.cookies.clear()
    answer = await place.browser.get(
        f"{place.url}{CALLBACK}?code=a&state={state}", headers={b"cookie": name.encode() + b"=\xe9\xff"}
    )
    assert answer.status_code == 403 and "another browser" in answer.text


def scope_of(path: str) -> dict[str, Any]:
    return {"type": "http", "path": path, "scheme": "http", "query_string": b"", "client": ("10.0.0.1", 1)}


async def test_however_many_begin_nobodys_way_is_lost(place: Place) -> None:
    oidc = Oidc(Provider(place.provider.url, "workbench", "hush", ("ann@example.org",)))
    host = Headers({"host": "127.0.0.1:8501"})
    sent = await oidc.begin(scope_of(BEGIN), host)
    back = await place.browser.get(sent.headers["location"])
    for _ in range(1500):
        await oidc.begin(scope_of(BEGIN), host)
    query = {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}
    cookie = sent.headers["set-cookie"].partition(";")[0]
    headers = Headers({"host": "127.0.0.1:8501", "cookie": cookie})
    assert await oidc.who(scope_of(CALLBACK), headers, query) == "ann@example.org"
    with pytest.raises(NotSignedInError, match="begin again"):
        await oidc.who(scope_of(CALLBACK), headers, query)


async def test_a_way_that_took_too_long_leads_nowhere(place: Place) -> None:
    now = 0.0
    oidc = Oidc(Provider(place.provider.url, "workbench", "hush", ("ann@example.org",)), lambda: now)
    sent = await oidc.begin(scope_of(BEGIN), Headers({"host": "127.0.0.1:8501"}))
    (state,) = parse_qs(urlsplit(sent.headers["location"]).query)["state"]
    now = PATIENCE_S + 2
    cookie = sent.headers["set-cookie"].partition(";")[0]
    for late in (cookie, cookie + "0", cookie.rpartition(".")[0], "mlc_oidc_8501="):
        with pytest.raises(NotSignedInError, match="begin again"):
            headers = Headers({"host": "127.0.0.1:8501", "cookie": late})
            await oidc.who(scope_of(CALLBACK), headers, {"state": state, "code": "a"})


async def test_a_provider_that_fails_is_asked_once_for_all_and_then_left_alone(place: Place) -> None:
    place.provider.issuer = "https://evil.test"
    answers = await asyncio.gather(*(place.browser.get(f"{place.url}{BEGIN}") for _ in range(10)))
    assert {one.status_code for one in answers} == {403}
    assert place.provider.times_looked_at == 1


async def test_who_comes_back_with_nothing_is_not_heard_as_often_as_he_likes(place: Place) -> None:
    codes = [(await place.browser.get(f"{place.url}{CALLBACK}?code=a&state=b")).status_code for _ in range(12)]
    assert codes == [403] * MAX_GUESSES + [429] * (12 - MAX_GUESSES)
