"""The monitor in the corner of every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser import board
from tests.browser.conftest import App


def monitor(page: Page) -> Locator:
    return page.locator(".st-key-app_monitor")


@pytest.mark.parametrize(("path", "language"), [("/", "en"), ("/models", "zh"), ("/settings", "en")])
def test_it_tells_processors_memory_and_models_on_every_page(blank: Page, app: App, path: str, language: str) -> None:
    blank.goto(f"{app.address}{path}?lang={language}")
    said = {
        "en": r"^CPU \d+% · memory [\d.]+ / [\d.]+ GB · .*\d+ models? loaded",
        "zh": r"^CPU \d+% · 内存 .*已加载 \d+ 个模型",
    }
    expect(monitor(blank).locator(".facts")).to_have_text(re.compile(said[language]))


def test_a_click_leads_to_models(blank: Page, app: App) -> None:
    page = blank
    page.goto(f"{app.address}/settings?lang=en")
    facts = monitor(page).locator(".facts")
    # Until the first figures are there it is hidden.
    board.focus(facts)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/models"))
    expect(page.get_by_role("heading", name="Models").first).to_be_visible()


def test_on_a_phone_it_is_folded_and_stays_as_it_was_left(blank: Page, app: App) -> None:
    page = blank
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{app.address}/settings?lang=en")
    facts, fold = monitor(page).locator(".facts"), monitor(page).locator(".fold")
    expect(fold).to_have_attribute("aria-expanded", "false")
    expect(facts).to_be_hidden()
    fold.click()
    expect(facts).to_be_visible()
    board.expect_to_fit(page)
    page.reload()
    expect(facts).to_be_visible()


def test_nothing_is_asked_while_the_page_is_hidden(context: BrowserContext, app: App) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "monitor.json" in request.url else None)
    page.goto(f"{app.address}/settings?lang=en")
    expect(monitor(page).locator(".facts")).to_contain_text("CPU")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    page.wait_for_timeout(500)
    asked.clear()
    page.wait_for_timeout(5000)
    assert asked == []


def test_the_page_of_blind_votes_is_not_told_which_models_are_at_work(context: BrowserContext, app: App) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "monitor.json" in request.url else None)
    page.goto(f"{app.address}/vote?lang=en")
    expect(monitor(page).locator(".facts")).to_contain_text("CPU")
    assert asked and not any("models=1" in url for url in asked)
    expect(monitor(page).locator(".panel")).to_be_hidden()
