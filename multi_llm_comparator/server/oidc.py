"""Signing in by a provider of OpenID Connect (Google, Microsoft, Keycloak, Authelia, ...), in front of the pages.

The code flow with PKCE (OpenID Connect Core 1.0, RFC 7636): the browser is sent to the provider, comes back with a
code, and the code is exchanged here for an ID token, whose signature, issuer, audience, time and nonce are checked. The
browser must bring back the cookie that it left with, so that nobody is signed in by a link of somebody else.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from multi_llm_comparator.core.bounded_http import bound_answer
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.settings import Settings

BEGIN, CALLBACK = "/sign-in/oidc", "/sign-in/oidc/callback"
# How long somebody may take to sign in over there.
PATIENCE_S, MAX_USED = 600.0, 1000
# How long what the provider says of itself is believed.
BELIEVED_S = 3600.0
# A provider that did not answer is left alone for so long, however many want to sign in.
RESTS_S = 10.0
TIMEOUT_S = 10.0
LEEWAY_S = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
MAX_PARAMETER_CHARS = 4096
_NO_PROVIDER = "The provider cannot be asked, or is not believed; the log of the app has the reason."
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

log = logging.getLogger(__name__)


class NotSignedInError(Exception):
    """Why somebody is not let in; it is shown to them."""


@dataclass(frozen=True)
class Provider:
    """Who signs people in, and whom of them to let in.

    Attributes:
        issuer: its address, below which ``/.well-known/openid-configuration`` is.
        allowed: addresses of mail, or ``@example.org`` for all of a domain.
    """

    issuer: str
    client_id: str
    client_secret: str
    allowed: tuple[str, ...]

    def lets_in(self, email: str) -> bool:
        name = email.strip().lower()
        return any(name == one or (one.startswith("@") and name.endswith(one)) for one in self.allowed)


def provider_by_settings(settings: Settings) -> Provider | None:
    """The provider that is configured; None if none is.

    Raises:
        ConfigurationError: it is configured in part, or its address is none.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_client_id or not settings.oidc_allowed:
        raise ConfigurationError(
            "oidc_issuer is set, so oidc_client_id and oidc_allowed (who may sign in) must be set too"
        )
    issuer = settings.oidc_issuer.rstrip("/")
    _check_address(issuer, "oidc_issuer")
    allowed = tuple(one.strip().lower() for one in settings.oidc_allowed)
    if wrong := next((one for one in allowed if "@" not in one or " " in one), None):
        raise ConfigurationError(f"oidc_allowed has {wrong!r}; give addresses of mail, or '@example.org' for a domain")
    return Provider(issuer, settings.oidc_client_id, settings.oidc_client_secret, allowed)


def _check_address(address: str, what: str) -> None:
    parts = urlsplit(address)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not is_safe or not parts.hostname:
        raise ConfigurationError(f"{what} is {address!r}; give an https:// address")


@dataclass(frozen=True)
class _UnderWay:
    """A browser that was sent to the provider: all of it follows from what its cookie says, and a secret of this
    process. Nothing is kept of it here, so nobody's way is lost because others fill a list."""

    cookie: str
    state: str
    nonce: str
    verifier: str
    redirect: str


class Oidc:
    """Sends browsers to the provider, and finds out who came back.

    Args:
        provider: who signs in.
        clock: seconds that only grow.
    """

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider, self._clock = provider, clock
        self._secret = secrets.token_bytes(32)
        self._used: OrderedDict[bytes, None] = OrderedDict()
        self._told: tuple[float, dict[str, Any]] = (0.0, {})
        self._failed_at: float | None = None
        self._asking = asyncio.Lock()

    async def begin(self, scope: Scope, headers: Headers) -> Response:
        """Send a browser to the provider."""
        try:
            where = str((await self._configuration())["authorization_endpoint"])
        except NotSignedInError as exc:
            return refusal(exc)
        cookie = f"{secrets.token_urlsafe(24)}.{int(self._clock() + PATIENCE_S)}"
        way = self._way(cookie, scope, headers)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(way.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self._provider.client_id,
            "redirect_uri": way.redirect,
            "scope": "openid email",
            "state": way.state,
            "nonce": way.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        response = RedirectResponse(f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}", 303)
        is_secure = scope.get("scheme") == "https"
        # Lax: the provider's page leads back here.
        response.set_cookie(
            _cookie(headers),
            cookie,
            max_age=int(PATIENCE_S),
            path=BEGIN,
            httponly=True,
            samesite="lax",
            secure=is_secure,
        )
        return response

    def _way(self, cookie: str, scope: Scope, headers: Headers) -> _UnderWay:
        redirect = f"{scope.get('scheme', 'http')}://{headers['host']}{CALLBACK}"

        def made(what: str) -> str:
            digest = hmac.digest(self._secret, f"{what} {cookie} {redirect}".encode("utf-8", "replace"), hashlib.sha256)
            return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

        return _UnderWay(cookie, made("state"), made("nonce"), made("verifier"), redirect)

    def _is_used(self, state: bytes) -> bool:
        """Whether somebody came back with it before, of the last ones; beyond them its code is good only once, too."""
        is_used = state in self._used
        self._used[state] = None
        while len(self._used) > MAX_USED:
            self._used.popitem(last=False)
        return is_used

    def _is_late(self, way: _UnderWay) -> bool:
        ends_at = way.cookie.rpartition(".")[2]
        return not (ends_at.isascii() and ends_at.isdecimal() and len(ends_at) < 20) or int(ends_at) < self._clock()

    async def who(self, scope: Scope, headers: Headers, query: Mapping[str, str]) -> str:
        """The address of mail of who comes back from the provider.

        Raises:
            NotSignedInError: nobody who may come in.
        """
        shown = cookie_parser(headers.get("cookie", "")).get(_cookie(headers), "")[:MAX_PARAMETER_CHARS]
        flow = self._way(shown, scope, headers)
        # As bytes: what a browser sends need not be ASCII.
        state = query.get("state", "")[:MAX_PARAMETER_CHARS].encode("utf-8", "replace")
        is_used = self._is_used(hashlib.sha256(state).digest())
        if is_used or not hmac.compare_digest(flow.state.encode(), state) or self._is_late(flow):
            raise NotSignedInError("This sign-in took too long, or was begun in another browser; begin again.")
        code = query.get("code", "")[:MAX_PARAMETER_CHARS]
        if not code:
            raise NotSignedInError("The provider let nobody in; begin again.")
        claims = await self._claims(code, flow)
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise NotSignedInError("The provider told no verified address of mail.")
        if not self._provider.lets_in(email):
            raise NotSignedInError("You are signed in over there, and not among those who may come in here.")
        return email.strip().lower()

    async def _claims(self, code: str, flow: _UnderWay) -> dict[str, Any]:
        """What the provider says of who has the code."""
        # It reads cryptography's libraries: nobody else waits for that.
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        told = await self._configuration()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": flow.redirect,
            "client_id": self._provider.client_id,
            "code_verifier": flow.verifier,
        }
        if self._provider.client_secret:
            form["client_secret"] = self._provider.client_secret
        tokens = await self._asked("POST", str(told["token_endpoint"]), data=form)
        keys = await self._asked("GET", str(told["jwks_uri"]))
        try:
            key_set = KeySet.import_key_set(keys)  # type: ignore[arg-type]
            claims = jwt.decode(str(tokens.get("id_token", "")), key_set, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError) as exc:
            raise self._distrusted(f"its ID token cannot be read: {type(exc).__name__}") from exc
        audience, now = claims.get("aud"), time.time()
        is_for_us = self._provider.client_id in (audience if isinstance(audience, list) else [audience])
        expires = claims.get("exp")
        if claims.get("iss") != told["issuer"] or not is_for_us:
            raise self._distrusted("its ID token is of another issuer, or for another client")
        if not isinstance(expires, int | float) or expires + LEEWAY_S < now:
            raise self._distrusted("its ID token has expired")
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), flow.nonce.encode()):
            raise self._distrusted("its ID token was made for another sign-in")
        return dict(claims)

    async def _configuration(self) -> dict[str, Any]:
        """What the provider says of itself; asked once for all who wait for it."""
        async with self._asking:
            at, told = self._told
            if told and self._clock() - at < BELIEVED_S:
                return told
            if self._failed_at is not None and self._clock() - self._failed_at < RESTS_S:
                raise NotSignedInError(_NO_PROVIDER)
            try:
                told = await self._asked_of_itself()
            except NotSignedInError:
                self._failed_at = self._clock()
                raise
            self._told = (self._clock(), told)
            return told

    async def _asked_of_itself(self) -> dict[str, Any]:
        issuer = self._provider.issuer
        told = await self._asked("GET", f"{issuer}/.well-known/openid-configuration")
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        try:
            if str(told["issuer"]).rstrip("/") != issuer:
                raise self._distrusted(f"it calls itself {str(told['issuer'])[:200]!r}")
            for name in names:
                _check_address(str(told[name]), name)
        except (KeyError, ConfigurationError) as exc:
            raise self._distrusted(str(exc)) from exc
        return told

    async def _asked(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S, event_hooks={"response": [bound_answer]}) as http:
                answer = await http.request(method, address, headers={"Accept": "application/json"}, **more)
                value = answer.json() if answer.status_code == 200 else None
        except (httpx2.HTTPError, ValueError) as exc:
            raise self._distrusted(f"{address!r} does not answer: {type(exc).__name__}") from exc
        if not isinstance(value, dict):
            raise self._distrusted(f"{address!r} answered with status {answer.status_code}")
        return value

    def _distrusted(self, reason: str) -> NotSignedInError:
        log.warning("signing in by %s failed: %s", self._provider.issuer, reason)
        return NotSignedInError(_NO_PROVIDER)


def refusal(error: NotSignedInError) -> Response:
    return PlainTextResponse(f"{error}\n", 403)


def _cookie(headers: Headers) -> str:
    """Cookies know no ports: two apps on one machine must not take each other's."""
    host = headers["host"]
    return f"mlc_oidc_{host.rpartition(':')[2] if host[-1:].isdigit() else ''}"
