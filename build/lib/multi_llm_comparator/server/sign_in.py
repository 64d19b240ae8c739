"""Beyond loopback: a token, shown once in a link or typed, exchanged for a cookie that pages cannot read."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from importlib.resources import files
from ipaddress import IPv4Address, ip_address
from string import Template
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

PARAMETER = "token"
# Wrong tokens of one visitor within the window; what is remembered of visitors has a bound.
MAX_GUESSES, WINDOW_S, MAX_VISITORS = 10, 60.0, 1000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
_PAGE = Template(files("multi_llm_comparator.server").joinpath("sign_in.html").read_text(encoding="utf-8"))
_ASK = (
    "Open the link that was printed where the app was started, or type its token. "
    "请打开启动时打印的链接，或输入其中的令牌。"
)
_WRONG = "This is not the token that was printed where the app was started. 令牌不正确，请使用启动时打印的令牌。"
_PLAIN = (
    "A token is needed: open the link that was printed where the app was started. "
    "Programs send it as 'Authorization: Bearer TOKEN' or as 'x-api-key: TOKEN'.\n"
)
_TOO_MANY = "Too many wrong tokens; try again in a minute.\n"
# Who comes by a link elsewhere brings no strict cookie; asked by a page of our own, the browser does.
_AGAIN = '<!doctype html><meta http-equiv="refresh" content="0">'


class SignIn:
    """Decides who is let through.

    Args:
        token: the secret.
        clock: seconds that only grow.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        # Of this process alone: no cookie tells about the token, and a restart asks everybody again.
        self._session = secrets.token_urlsafe(32)
        self._guesses = Guesses(clock)

    def answer(self, scope: Scope, headers: Headers) -> Response | None:
        """None for who may pass, else the page to sign in, a redirect that brings the cookie, or a refusal."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        shown = next((value for name, value in query if name == PARAMETER), None)
        if shown is None and self._has_cookie(headers):
            return None
        sent = _sent(headers)
        if shown is None and sent is None:
            return _refused(headers, _ASK)
        return self._judged(scope, headers, shown, sent or "", query)

    def _judged(
        self, scope: Scope, headers: Headers, shown: str | None, sent: str, query: list[tuple[str, str]]
    ) -> Response | None:
        visitor = (scope.get("client") or ("",))[0]
        if self._guesses.are_too_many(visitor):
            return PlainTextResponse(_TOO_MANY, 429, headers={"Retry-After": str(int(WINDOW_S))})
        if not hmac.compare_digest((sent if shown is None else shown).encode(), self._token):
            self._guesses.add(visitor)
            return _refused(headers, _WRONG)
        if shown is None:
            return None
        rest = urlencode([pair for pair in query if pair[0] != PARAMETER])
        # A path that begins with two slashes would be another server's address.
        response = RedirectResponse("/" + scope["path"].lstrip("/\\") + (f"?{rest}" if rest else ""), 303)
        is_secure = scope.get("scheme") == "https"
        name = _cookie(headers["host"])
        response.set_cookie(name, self._session, path="/", httponly=True, samesite="strict", secure=is_secure)
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        found = cookie_parser(headers.get("cookie", "")).get(_cookie(headers["host"]), "")
        return hmac.compare_digest(found.encode(), self._session.encode())


def _sent(headers: Headers) -> str | None:
    """The token as programs send it: OpenAI's clients in the one header, Anthropic's in the other."""
    bearer = headers.get("authorization", "")
    return bearer.removeprefix("Bearer ") if bearer.startswith("Bearer ") else headers.get("x-api-key")


def _refused(headers: Headers, said: str) -> Response:
    if "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(_PLAIN, 401)
    comes_by_link = headers.get("sec-fetch-site") == "cross-site" and said == _ASK
    page = _AGAIN if comes_by_link else _PAGE.substitute(said=said)
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
