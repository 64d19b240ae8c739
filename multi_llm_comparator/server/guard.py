"""One gate before every route and websocket: for whom a request is, which page sent it, what a browser may do with the
answer. What does not pass reaches nothing behind it, Streamlit least of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multi_llm_comparator.core.callers import OPEN, acting_for
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.server.access import Access
from multi_llm_comparator.server.api.errors import ApiError, error_response, is_api
from multi_llm_comparator.server.audit import audited
from multi_llm_comparator.server.callers import Callers, caller_of
from multi_llm_comparator.server.oidc import Oidc, Provider
from multi_llm_comparator.server.page_caller import told_to_pages
from multi_llm_comparator.server.paths import asks_models, is_shared, may_be_linked_to, may_reach
from multi_llm_comparator.server.sign_in import SignIn, sent_secret
from multi_llm_comparator.tracking.api_keys import ApiKeys, looks_like_key

HEALTH = "/health"
_WRONG_HOST = "This app does not answer under this name. Whoever runs it can allow it with --allowed-host NAME.\n"
_WRONG_ORIGIN = "This app does not answer to pages of others.\n"
_WRONG_SCOPE = (
    "This key has not the scope for it: 'models' asks models and sees the runs that come of it, 'pages' opens pages, "
    "'admin' opens everything.\n"
)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, X-Api-Key, Anthropic-Version, Anthropic-Beta, "
    "X-Request-Id",
    "Access-Control-Max-Age": "600",
}
_POLICY_VIOLATION = 1008
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    # Else a browser looks up the names in links before anybody clicks, and a name can carry text out.
    "X-DNS-Prefetch-Control": "off",
}


class Guard:
    """An ASGI app around another.

    Args:
        app: what is guarded.
        access: names it may be asked by, and the token where one is needed.
        script_hashes: of scripts within its pages, as a Content-Security-Policy names them: ``sha256-...``.
        keys: the stored keys, asked for when one is shown; None while no store is open.
        provider: signs people in, besides keys; None where none is configured.
    """

    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        script_hashes: Iterable[str] = (),
        keys: Callable[[], ApiKeys | None] = lambda: None,
        provider: Provider | None = None,
    ) -> None:
        self._app = app
        self._access = access
        self._sign_in = SignIn(Callers(access.token, keys), oidc=Oidc(provider) if provider else None)
        self._scripts = "".join(f" '{one}'" for one in script_hashes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = self._foreign_origin(scope, headers)
        if scope["type"] == "http":
            send = audited(scope, send)
        try:
            refused = self._stranger(scope, headers, origin) or await self._unknown(scope, headers)
        except StoreError as exc:
            refused = PlainTextResponse(f"{exc}\n", 503, headers={"Retry-After": "1"})
        if refused is not None:
            await _answer(refused, scope, receive, _shared_with(origin, send))
            return
        # Checked here: what stands behind would ask the network for this machine's address to judge it.
        headers_left = [pair for pair in scope["headers"] if pair[0] != b"origin"]
        caller = OPEN if is_shared(scope["path"]) else caller_of(scope)
        scope["headers"] = told_to_pages(headers_left, caller)
        if scope["type"] == "http":
            send = self._secured(_shared_with(origin, send), headers["host"])
        # What the API is asked it counts itself; what is asked on a page is counted where it is asked.
        with acting_for(caller, is_counted=scope["type"] == "http"):
            await self._app(scope, receive, send)

    def _foreign_origin(self, scope: Scope, headers: Headers) -> str:
        """The origin of a page elsewhere that may ask the API; empty for any other request."""
        origins = headers.getlist("origin")
        if scope["type"] != "http" or len(origins) != 1 or origins[0].lower() not in self._access.cors_origins:
            return ""
        return origins[0] if asks_models(scope["path"]) else ""

    def _stranger(self, scope: Scope, headers: Headers, foreign: str) -> Response | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        own_address = (scope.get("server") or (None,))[0]
        if len(hosts) != 1 or not self._access.allows(hosts[0], own_address):
            return PlainTextResponse(_WRONG_HOST, 403)
        if foreign:
            # Browsers ask ahead, without any key.
            return Response(status_code=204, headers=_PREFLIGHT) if scope["method"] == "OPTIONS" else None
        if len(origins) > 1 or (origins and origins[0] not in (f"http://{hosts[0]}", f"https://{hosts[0]}")):
            return PlainTextResponse(_WRONG_ORIGIN, 403)
        if scope["type"] == "http" and _comes_from_a_foreign_page(scope, headers):
            return PlainTextResponse(_WRONG_ORIGIN, 403)
        return None

    async def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """A refusal of who must not pass; else the caller is noted in ``scope``."""
        if self._access.token is None:
            sent = sent_secret(headers) or ""
            refused = await self._sign_in.judged_key(scope, sent) if looks_like_key(sent) else None
        elif scope["type"] == "http" and (scope["path"] == HEALTH or is_shared(scope["path"])):
            # What a shared link shows, and whether it still does, its own signature decides.
            return None
        else:
            refused = await self._sign_in.answer(scope, headers)
        if refused is None and not may_reach(caller_of(scope), scope["path"]):
            return PlainTextResponse(_WRONG_SCOPE, 403)
        return refused

    def _secured(self, send: Send, host: str) -> Send:
        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                own = headers.getlist("content-security-policy")
                headers.update(_HEADERS)
                headers["Content-Security-Policy"] = self._policy(host)
                # Of several policies a browser keeps to all: one of a single answer only forbids more.
                for policy in own:
                    headers.append("Content-Security-Policy", policy)
            await send(message)

        return secured

    def _policy(self, host: str) -> str:
        """What the pages need, and nothing from elsewhere. Streamlit starts components from blob: addresses that its
        own scripts make, and writes its styles into the page."""
        return "; ".join(
            (
                "default-src 'none'",
                f"script-src 'self' blob:{self._scripts}",
                "style-src 'self' 'unsafe-inline'",
                "img-src 'self' data: blob:",
                "font-src 'self' data:",
                # Some browsers do not count a websocket as 'self'.
                f"connect-src 'self' ws://{host} wss://{host}",
                "worker-src 'self' blob:",
                "media-src 'self' blob:",
                "manifest-src 'self'",
                "frame-src 'none'",
                "object-src 'none'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'self'",
            )
        )


def _comes_from_a_foreign_page(scope: Scope, headers: Headers) -> bool:
    """Whether a page of others has the browser ask, other than by a link to a page of ours that is followed.

    Pictures, scripts and frames send no Origin; browsers say of each request where it comes from (W3C, Fetch Metadata).
    """
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    is_followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (is_followed and scope["method"] == "GET" and may_be_linked_to(scope["path"]))


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    if isinstance(response, PlainTextResponse) and (is_api(scope["path"]) or asks_models(scope["path"])):
        response = _in_its_form(response, scope["path"])
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    response.headers["Cache-Control"] = "no-store"
    await response(scope, receive, send)


def _shared_with(origin: str, send: Send) -> Send:
    """Let a page of ``origin`` read the answer; cookies are never taken from there."""
    if not origin:
        return send

    async def shared(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Access-Control-Allow-Origin"] = origin
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            headers.add_vary_header("Origin")
        await send(message)

    return shared


def _in_its_form(response: Response, path: str) -> Response:
    """The same refusal as clients of the API read it."""
    said = bytes(response.body).decode().strip()
    code = "invalid_api_key" if response.status_code == 401 else None
    told = error_response(path, ApiError(said, response.status_code, code=code))
    if "retry-after" in response.headers:
        told.headers["retry-after"] = response.headers["retry-after"]
    return told
