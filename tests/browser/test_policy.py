"""What a browser is told about the pages, and what pages of others can do with them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.sharing.links import SharedLinks
from tests.browser import board
from tests.browser.conftest import App
from tests.support.unasked_server import UnaskedServer

# Everything that a page of others can try, and how each went.
ATTACK = """<!doctype html><script>
const app = "%(app)s", went = {};
const note = (name) => (how) => { went[name] = how; };
const socket = new WebSocket(app.replace("http", "ws") + "/_stcore/stream", ["streamlit"]);
socket.onopen = () => note("socket")("open"); socket.onerror = () => note("socket")("refused");
for (const path of ["/metrics", "/health", "/_stcore/health", "/"])
  fetch(app + path).then((answer) => answer.text()).then(note(path), () => note(path)("refused"));
const script = document.createElement("script");
script.src = app + "/assets/plotly.min.js";
script.onload = () => note("script")("loaded"); script.onerror = () => note("script")("refused");
document.head.append(script);
const image = new Image();
image.onload = () => note("image")("loaded"); image.onerror = () => note("image")("refused");
image.src = app + "/v1/tokenizer_info?model=demo-small";
addEventListener("load", () => {
  const frame = document.createElement("iframe");
  frame.src = app + "/";
  frame.onload = () => note("frame")(frame.contentWindow.length + " frames");
  document.body.append(frame);
});
</script>"""


@pytest.fixture
def unasked() -> Iterator[UnaskedServer]:
    with UnaskedServer().serving() as server:
        yield server


def test_neither_answers_nor_a_shared_link_want_what_the_policy_forbids(page: Page, app: App) -> None:
    """Each page by itself is looked at in ``test_accessibility.py``."""
    said = board.policy_complaints(page)
    board.ask(page, "Hello")
    expect(board.cards(page).first).to_be_visible()
    board.stop_all(page)
    board.expect_states(page, re.compile("stopped|done"))
    (run,) = parse_qs(urlsplit(page.url).query)["run"]
    _, path = SharedLinks(app.home).make(run, 3600)
    page.goto(f"{app.address}{path}")
    expect(page.get_by_text("Hello").first).to_be_visible()
    assert said == []


def test_a_page_that_is_made_to_fetch_does_not(page: Page, unasked: UnaskedServer) -> None:
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    page.evaluate(
        """url => {
          const add = (tag, rest) => document.body.append(Object.assign(document.createElement(tag), rest));
          add("img", { src: url + "/img" });
          add("iframe", { src: url + "/frame" });
          add("script", { src: url + "/script" });
          add("link", { rel: "stylesheet", href: url + "/style" });
          add("style", { textContent: `@font-face { font-family: f; src: url(${url}/font) } body { font: 1em f;
            background: url(${url}/background) }` });
          add("video", { src: url + "/video" });
          fetch(url + "/fetch").catch(() => {});
          navigator.sendBeacon(url + "/beacon", "x");
          try { new WebSocket(url.replace("http", "ws") + "/socket"); } catch {}
        }""",
        unasked.url,
    )
    page.wait_for_timeout(1500)
    assert unasked.asked == []


def test_pages_of_others_reach_nothing(context: BrowserContext, app: App, unasked: UnaskedServer) -> None:
    unasked.page = ATTACK % {"app": app.address}
    page = context.new_page()
    page.goto(f"{unasked.url.replace('127.0.0.1', 'localhost')}/page")
    board.wait_until(page, "Object.keys(went).length >= 7")
    page.wait_for_timeout(1000)
    went = page.evaluate("went")
    assert {went[name] for name in ("socket", "/metrics", "/health", "/_stcore/health", "/", "script")} == {"refused"}
    framed = next(frame for frame in page.frames if frame != page.main_frame)
    assert framed.url.startswith("chrome-error://")
    # A picture carries no Origin, and what is none looks refused in any case: what the gate did is in its log.
    lines = [json.loads(line) for line in (app.home / "logs" / "audit.log").read_text(encoding="utf-8").splitlines()]
    assert 403 in {line["status"] for line in lines if line.get("path") == "/v1/tokenizer_info"}
    page.set_content(f'<a href="{app.address}/history">a link elsewhere</a>')
    page.get_by_role("link").click()
    expect(page.get_by_test_id("stApp")).to_be_visible()
