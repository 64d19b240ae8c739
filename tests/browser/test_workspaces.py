"""Signing in with a key in a real browser: its own runs, and no pages about the machine."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from multi_llm_comparator.tracking.store import Store
from tests.browser.conftest import new_context
from tests.browser.scripted import scripted_app

TOKEN = "the-token-of-this-test"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """An app that wants keys on this machine too."""
    folder = tmp_path_factory.mktemp("workspaces")
    home, scripts = folder / "home", folder / "scripts"
    home.mkdir()
    scripts.mkdir()
    script = {"answers": [{"pattern": "", "text": "Well."}]}
    (scripts / "talker.json").write_text(json.dumps(script), encoding="utf-8")
    store = Store(f"sqlite:///{home / 'workbench.db'}")
    with scripted_app(
        scripts, home, MLC_ACCESS_TOKEN=TOKEN, MLC_REQUIRE_KEYS="true", MLC_FIRST_MODEL="false"
    ) as address:
        yield address, store
    store.close()


def signed_in(chromium: Browser, address: str, secret: str) -> Page:
    page = new_context(chromium).new_page()
    page.goto(f"{address}/?token={secret}")
    return page


def test_two_keys_see_their_own_runs_and_the_token_sees_all(chromium: Browser, place: tuple[str, Store]) -> None:
    address, store = place
    asked = {"Ann": "What are quinces?", "Bob": "What are medlars?"}
    pages: dict[str, Page] = {}
    for name, prompt in asked.items():
        _, secret = store.api_keys.create(name, ("models", "pages"))
        page = pages[name] = signed_in(chromium, address, secret.get_secret_value())
        box = page.get_by_test_id("stChatInputTextArea")
        box.fill(prompt)
        box.press("Enter")
        expect(page.get_by_text("Well.").first).to_be_visible()
        links = page.get_by_test_id("stTopNavLink")
        expect(links.filter(has_text="History")).to_have_count(1)
        for absent in ("Settings", "Models", "Tune"):
            expect(links.filter(has_text=absent)).to_have_count(0)
    for name, page in pages.items():
        page.goto(f"{address}/history?lang=en")
        other = next(prompt for who, prompt in asked.items() if who != name)
        expect(page.get_by_text(asked[name]).locator("visible=true").first).to_be_visible()
        expect(page.get_by_text(other)).to_have_count(0)
        page.goto(f"{address}/settings?lang=en")
        expect(page.get_by_text("Page not found")).to_be_visible()
    page = signed_in(chromium, address, TOKEN)
    page.goto(f"{address}/history?lang=en")
    for name, prompt in asked.items():
        expect(page.get_by_text(prompt).locator("visible=true").first).to_be_visible()
        expect(page.locator(".mlc-run").get_by_text(name).first).to_be_visible()
