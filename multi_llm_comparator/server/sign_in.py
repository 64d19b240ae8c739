"""Beyond loopback: a token or a key, shown in a link or typed, exchanged for a cookie that pages cannot read."""

from __future__ import annotations

import math
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from importlib.resources import files
from ipaddress import IPv4Address, ip_address
from string import Template
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from multi_llm_comparator.core.callers import Caller
from multi_llm_comparator.server.callers import Callers, put_caller
from multi_llm_comparator.server.oidc import BEGIN, CALLBACK, NotSignedInError, Oidc, refusal

PARAMETER = "token"
# Wrong tokens of one visitor within the window; what is remembered of visitors has a bound.
MAX_GUESSES, WINDOW_S, MAX_VISITORS = 10, 60.0, 1000
MAX_SESSIONS = 1000
SESSION_S = 12 * 3600.0
# One of these a key needs to sign in on a page.
_OPEN_PAGES = frozenset({"pages", "admin"})
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_PAGE = Template(files("multi_llm_comparator.server").joinpath("sign_in.html").read_text(encoding="utf-8"))
_ASK = (
    "Open the link that was printed where the app was started, or type its token, or a key with the scope pages. "
    "请打开启动时打印的链接，或输入其中的令牌，或输入具有 pages 权限的密钥。"
)
_WRONG = (
    "This is neither the token that was printed where the app was started nor a valid key that may open the pages. "
    "令牌不正确，请使用启动时打印的令牌，或具有 pages 或 admin 权限的有效密钥。"
)
_PLAIN = (
    "A key, or the token that was printed where the app was started, is needed, and what was sent is neither. "
    "Send it as 'Authorization: Bearer KEY' or as 'x-api-key: KEY'.\n"
)
_TOO_MANY = "Too many wrong tokens, keys or sign-ins; try again in a minute.\n"
_BY_PROVIDER = f'<p><a href="{BEGIN}">Sign in by your provider · 使用身份提供方登录</a></p>'
# Who comes by a link elsewhere brings no strict cookie; asked by a page of our own, the browser does.
_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0">'


class SignIn:
    """Decides who is let through.

    Args:
        callers: finds whose secret is shown.
        clock: seconds that only grow.
        oidc: signs people in by a provider; None where none is configured.
    """

    def __init__(self, callers: Callers, clock: Callable[[], float] = time.monotonic, oidc: Oidc | None = None) -> None:
        self._callers, self._oidc, self._clock = callers, oidc, clock
        # Of this process alone: no cookie tells about a secret, and a restart asks everybody again.
        self._sessions: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._guesses = Guesses(clock)

    async def answer(self, scope: Scope, headers: Headers) -> Response | None:
        """None for who may pass, else the page to sign in, a redirect that brings the cookie, or a refusal.

        Raises:
            StoreError: the keys cannot be read.
        """
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if self._oidc is not None and scope["type"] == "http" and scope["path"] in (BEGIN, CALLBACK):
            return await self._by_provider(self._oidc, scope, headers, dict(query))
        shown = next((value for name, value in query if name == PARAMETER), None)
        if shown is None and (caller := await self._in_session(headers)) is not None:
            put_caller(scope, caller)
            return None
        sent = sent_secret(headers)
        if shown is None and sent is None:
            return _refused(headers, _ASK, by_provider=self._oidc is not None)
        return await self._judged(scope, headers, shown, sent or "", query)

    async def judged_key(self, scope: Scope, secret: str) -> Response | None:
        """For an open loopback, where a key is not needed, and one that is sent counts."""
        return await self._judged(scope, Headers(scope=scope), None, secret, [])

    async def _judged(
        self, scope: Scope, headers: Headers, shown: str | None, sent: str, query: list[tuple[str, str]]
    ) -> Response | None:
        visitor = _visitor(scope)
        if self._guesses.are_too_many(visitor):
            return PlainTextResponse(_TOO_MANY, 429, headers={"Retry-After": str(int(WINDOW_S))})
        caller = await self._callers.who(sent if shown is None else shown)
        if caller is None or (shown is not None and not caller.scopes & _OPEN_PAGES):
            self._guesses.add(visitor)
            return _refused(headers, _WRONG)
        if shown is None:
            put_caller(scope, caller)
            return None
        rest = urlencode([pair for pair in query if pair[0] != PARAMETER])
        # A path that begins with two slashes would be another server's address.
        response = RedirectResponse("/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else ""), 303)
        self._begin(response, scope, headers, caller)
        return response

    async def _by_provider(self, oidc: Oidc, scope: Scope, headers: Headers, query: dict[str, str]) -> Response:
        """Send a browser to the provider, or let in who comes back from there."""
        visitor = _visitor(scope)
        if self._guesses.are_too_many(visitor):
            return PlainTextResponse(_TOO_MANY, 429, headers={"Retry-After": str(int(WINDOW_S))})
        if scope["path"] == BEGIN:
            return await oidc.begin(scope, headers)
        try:
            email = await oidc.who(scope, headers, query)
        except NotSignedInError as exc:
            # Each asks the provider: whoever comes back with nothing is not heard as often as he likes.
            self._guesses.add(visitor)
            return refusal(exc)
        response = RedirectResponse("/", 303)
        self._begin(response, scope, headers, Caller(f"oidc:{email}", email), lasts_s=SESSION_S)
        return response

    def _begin(
        self, response: Response, scope: Scope, headers: Headers, caller: Caller, lasts_s: float = math.inf
    ) -> None:
        """Give the browser a cookie that stands for the caller."""
        session = secrets.token_urlsafe(32)
        self._sessions[session] = (caller, self._clock() + lasts_s)
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        name, is_secure = _cookie(headers["host"]), scope.get("scheme") == "https"
        response.set_cookie(name, session, path="/", httponly=True, samesite="strict", secure=is_secure)

    async def _in_session(self, headers: Headers) -> Caller | None:
        """Who has the cookie. What is looked up are 256 random bits: how long it takes tells nothing of use."""
        found = cookie_parser(headers.get("cookie", "")).get(_cookie(headers["host"]), "")
        caller, ends_at = self._sessions.get(found, (None, 0.0))
        if caller is None or ends_at < self._clock():
            return None
        # Whom a provider signed in has no key that could be revoked: they sign in again after a while.
        return caller if caller.id.startswith("oidc:") else await self._callers.still(caller)


def _visitor(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def sent_secret(headers: Headers) -> str | None:
    """Token or key as programs send it: OpenAI's clients in the one header, Anthropic's in the other."""
    bearer = headers.get("authorization", "")
    return bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else headers.get("x-api-key")


def _refused(headers: Headers, said: str, *, by_provider: bool = False) -> Response:
    if "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(_PLAIN, 401)
    comes_by_link = headers.get("sec-fetch-site") == "cross-site" and said == _ASK
    page = _AGAIN if comes_by_link else _PAGE.substitute(said=said, more=_BY_PROVIDER if by_provider else "")
    return HTMLResponse(page, 401, headers={"Content-Security-Policy": _POLICY})


def _cookie(host: str) -> str:
    """Cookies know no ports: two apps on one machine must not take each other's."""
    return f"mlc_session_{host.rpartition(':')[2] if host[-1:].isdigit() else ''}"


class Guesses:
    """Wrong tokens of the last minute, by visitor; of a bounded number of visitors."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_visitor: dict[str, deque[float]] = {}

    def are_too_many(self, visitor: str) -> bool:
        made = self._by_visitor.get(_network(visitor))
        return made is not None and len(made) == MAX_GUESSES and made[0] > self._clock() - WINDOW_S

    def add(self, visitor: str) -> None:
        own = self._by_visitor.pop(_network(visitor), None) or deque(maxlen=MAX_GUESSES)
        own.append(self._clock())
        self._by_visitor[_network(visitor)] = own
        if len(self._by_visitor) > MAX_VISITORS:
            del self._by_visitor[next(iter(self._by_visitor))]


def _network(visitor: str) -> str:
    """Whoever has one address of IPv6 has a whole network of them."""
    try:
        address = ip_address(visitor)
    except ValueError:
        return visitor
    if isinstance(address, IPv4Address):
        return visitor
    return str(address.ipv4_mapped or address.exploded[:19])
