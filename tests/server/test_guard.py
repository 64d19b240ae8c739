from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from multi_llm_comparator.server.access import Access, access_for
from multi_llm_comparator.server.guard import HEALTH, Guard

SECRET = "what a stranger must not read"
TOKEN = "the-token-of-this-test"
HOME = "http://127.0.0.1:8501"
FOLLOWED = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FOREIGN = ("http://evil.test", "https://127.0.0.1:8502", "http://localhost:8501", "null", "", "http://127.0.0.1")


class Behind:
    """An app that notes what reaches it."""

    def __init__(self) -> None:
        self.origins: list[str | None] = []
        routes = [Route(path, self.answer, methods=["GET", "POST"]) for path in (HEALTH, "/", "/metrics")]
        self.app = Starlette(routes=[*routes, WebSocketRoute("/stream", self.stream)])

    async def answer(self, request: Request) -> Response:
        self.origins.append(request.headers.get("origin"))
        if request.url.path == HEALTH:
            return PlainTextResponse("ok")
        return JSONResponse({"said": SECRET, "query": dict(request.query_params)})

    async def stream(self, websocket: WebSocket) -> None:
        self.origins.append(websocket.headers.get("origin"))
        await websocket.accept()
        await websocket.send_text(SECRET)
        await websocket.close()


def client(behind: Behind, access: Access | None = None, base_url: str = HOME) -> TestClient:
    return TestClient(Guard(behind.app, access or access_for("127.0.0.1", (), ""), ["sha256-abc="]), base_url)


def read(asked: TestClient, host: str = "127.0.0.1:8501", **headers: str) -> str:
    """What a websocket hears; "" when it is refused."""
    with suppress(WebSocketDisconnect), asked.websocket_connect(f"ws://{host}/stream", headers=headers) as stream:
        return stream.receive_text()
    return ""


@pytest.mark.parametrize("path", ["/", "/metrics", HEALTH, "/nowhere"])
def test_under_a_foreign_name_nothing_is_read(path: Any) -> None:
    behind = Behind()
    answer = client(behind).get(path, headers={"host": "evil.test:8501"})
    assert answer.status_code == 403
    assert SECRET not in answer.text and "ok" not in answer.text.split()
    assert read(client(behind), "evil.test:8501") == ""
    assert behind.origins == []


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_foreign_page_reaches_nothing(origin: Any, method: str) -> None:
    behind = Behind()
    assert client(behind).request(method, "/", headers={"origin": origin}).status_code == 403
    assert read(client(behind), origin=origin) == ""
    assert behind.origins == []


def test_its_own_pages_and_programs_reach_everything_and_no_origin_is_asked_about_again() -> None:
    behind = Behind()
    asked = client(behind)
    assert asked.get("/").json()["said"] == SECRET
    assert asked.post("/", headers={"origin": HOME}).json()["said"] == SECRET
    assert read(asked, origin=HOME) == SECRET
    assert behind.origins == [None] * 3


def test_behind_a_proxy_with_tls_the_pages_are_its_own_too() -> None:
    behind = Behind()
    access = access_for("127.0.0.1", ["lab.example.org"], "")
    asked = client(behind, access, "http://lab.example.org")
    assert asked.get("/", headers={"origin": "https://lab.example.org"}).status_code == 200
    assert asked.get("/", headers={"origin": "https://evil.lab.example.org"}).status_code == 403


def test_two_hosts_or_origins_are_one_too_many() -> None:
    asked = client(Behind())
    assert asked.get("/", headers=[("host", "127.0.0.1:8501"), ("host", "evil.test")]).status_code == 403
    assert asked.get("/", headers=[("origin", HOME), ("origin", "http://evil.test")]).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8501", "evil.test"])
def test_no_answer_is_framed_sniffed_or_led_elsewhere(host: str) -> None:
    headers = client(Behind()).get("/", headers={"host": host}).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["referrer-policy"] in ("no-referrer", "same-origin")
    assert headers["x-dns-prefetch-control"] == "off"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_pages_may_fetch_from_here_only() -> None:
    headers = client(Behind()).get("/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-src"] == policy["object-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["form-action"] == "'self'"
    assert policy["script-src"] == "'self' blob: 'sha256-abc='"
    here = {"'self'", "'none'", "'unsafe-inline'", "'sha256-abc='", "data:", "blob:"}
    assert {word for said in policy.values() for word in said.split()} - here == {
        "ws://127.0.0.1:8501",
        "wss://127.0.0.1:8501",
    }


@pytest.fixture
def guarded() -> TestClient:
    access = access_for("0.0.0.0", ["lab.example.org"], TOKEN)
    return TestClient(Guard(Behind().app, access), "http://lab.example.org:8501", follow_redirects=False)


def test_without_the_token_only_the_sign_in_page_is_seen(guarded: TestClient) -> None:
    for path in ("/", "/metrics", "/nowhere"):
        answer = guarded.get(path, headers={"accept": "text/html"})
        assert answer.status_code == 401
        assert SECRET not in answer.text and "password" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert guarded.get(path).status_code == 401
    assert read(guarded, "lab.example.org:8501") == ""


def test_health_says_ok_and_no_more(guarded: TestClient) -> None:
    assert guarded.get(HEALTH).text == "ok"
    assert guarded.get(HEALTH, headers={"host": "evil.test"}).status_code == 403


def test_the_link_brings_a_cookie_that_pages_cannot_read_and_goes_out_of_the_address(guarded: TestClient) -> None:
    answer = guarded.get(f"/?token={TOKEN}&run=1&lang=zh")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?run=1&lang=zh"
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert guarded.get("/").json()["said"] == SECRET
    assert read(guarded, "lab.example.org:8501", origin="http://lab.example.org:8501") == SECRET


def test_a_wrong_token_or_cookie_brings_nothing(guarded: TestClient) -> None:
    assert guarded.get("/?token=wrong").status_code == 401
    assert guarded.get("/?token=").status_code == 401
    assert guarded.get(f"/?token=wrong&token={TOKEN}").status_code == 401
    assert guarded.get("/", headers={"cookie": "mlc_session_8501=wrong"}).status_code == 401
    assert guarded.get("/", headers={"cookie": f"mlc_session_8501={TOKEN}"}).status_code == 401


def test_programs_send_the_token_as_a_header(guarded: TestClient) -> None:
    assert guarded.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"}).json()["said"] == SECRET
    assert guarded.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 401
    assert guarded.get("/metrics", headers={"authorization": f"Basic {TOKEN}"}).status_code == 401


@pytest.mark.parametrize("path", ["//evil.test/", "/%2F%2Fevil.test", "/\\evil.test", "///evil.test"])
def test_the_redirect_leads_to_no_other_server(guarded: TestClient, path: str) -> None:
    location = guarded.get(f"http://lab.example.org:8501{path}?token={TOKEN}").headers["location"]
    assert location.startswith("/") and not location.startswith(("//", "/\\"))


def test_who_comes_by_a_link_elsewhere_is_asked_again_by_our_own_page(guarded: TestClient) -> None:
    answer = guarded.get("/", headers={"accept": "text/html", "sec-fetch-site": "cross-site", **FOLLOWED})
    assert answer.status_code == 401
    assert 'http-equiv="refresh"' in answer.text


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/models", "/v1/tokenizer_info", "/api/runs"])
@pytest.mark.parametrize(
    "how",
    [
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
        {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
        {},
    ],
)
def test_what_a_foreign_page_fetches_without_an_origin_reaches_nothing(
    site: str, path: str, how: dict[str, str]
) -> None:
    behind = Behind()
    assert client(behind).get(path, headers={"sec-fetch-site": site, **how}).status_code == 403
    assert behind.origins == []


def test_a_link_elsewhere_leads_to_pages_and_not_into_the_api() -> None:
    asked = client(Behind())
    led = {"sec-fetch-site": "cross-site", **FOLLOWED}
    assert {path: asked.get(path, headers=led).status_code for path in ("/", "/metrics", HEALTH)} == {
        "/": 200,
        "/metrics": 200,
        HEALTH: 200,
    }
    for path in ("/v1/tokenizer_info?model=m", "/tokenizer_info?model=m", "/api/runs/1/export", "/v1/models"):
        assert asked.get(path, headers=led).status_code == 403, path
    # Chosen from a form on a page elsewhere.
    assert asked.post("/", headers=led).status_code == 403


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_typed_addresses_and_the_pages_own_requests_pass(site: str) -> None:
    assert client(Behind()).get("/", headers={"sec-fetch-site": site}).status_code == 200


def test_an_answers_own_policy_forbids_more_and_never_less() -> None:
    async def own(request: Request) -> Response:
        return PlainTextResponse("own", headers={"Content-Security-Policy": "sandbox"})

    guarded = TestClient(Guard(Starlette(routes=[Route("/", own)]), access_for("127.0.0.1", (), "")), HOME)
    pages, added = guarded.get("/").headers.get_list("content-security-policy")
    assert pages.startswith("default-src 'none'") and added == "sandbox"
