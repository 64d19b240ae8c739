"""Every page as it opens: what axe-core calls serious or critical is a failure, and so is what its policy forbids."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.ui.kit.navigation import page_names
from tests.browser import board
from tests.browser.conftest import App

# In Streamlit's own frame and widgets, which no page can change; by rule, with what it is about.
NOT_OURS: dict[str, str] = {}


def violations(page: Page) -> list[str]:
    """What is wrong, each with its rule and its first places."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): " + "; ".join(node["html"][:300] for node in one["nodes"][:4])
        for one in found
        if one["impact"] in ("serious", "critical") and one["id"] not in NOT_OURS
    ]


@pytest.mark.parametrize("name", page_names())
def test_a_page_can_be_used_by_everybody_and_wants_nothing_forbidden(
    context: BrowserContext, app: App, name: str
) -> None:
    page = context.new_page()
    said = board.policy_complaints(page)
    page.goto(f"{app.address}/{'' if name == 'compare' else name}?lang=en")
    expect(page.get_by_test_id("stApp")).to_be_visible()
    page.wait_for_load_state("networkidle")
    board.wait_until(page, "document.querySelector('[data-testid=stMainBlockContainer]')?.innerText.length > 20")
    page.wait_for_timeout(500)
    expect(page.locator(".st-key-app_monitor .facts")).to_contain_text("CPU")
    assert violations(page) == []
    # On a phone, in Chinese, on a dark screen.
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{app.address}/{'' if name == 'compare' else name}?lang=zh")
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    board.wait_until(page, "document.querySelector('[data-testid=stMainBlockContainer]')?.innerText.length > 20")
    page.wait_for_timeout(1000)
    assert violations(page) == []
    board.expect_to_fit(page)
    assert said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_models_details_have_no_serious_violation(page: Page, app: App, scheme: Literal["light", "dark"]) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{app.address}/models?lang=en")
    page.locator('[class*="st-key-models_details_"] button').first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("html")).to_have_css("color-scheme", scheme)
    page.wait_for_timeout(1000)
    assert violations(page) == []


def test_answers_differences_and_reading_have_no_serious_violation(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    for index in range(4):
        words = board.cards(page).nth(index).locator('[class*="st-key-text_"] p')
        expect(words.first).to_be_visible(timeout=board.LOADING_MS)
    board.stop_all(page)
    board.expect_states(page, re.compile("stopped|done"))
    expect(page.locator('[class*="st-key-text_0_"][role="region"]')).to_have_count(4)
    page.wait_for_timeout(2500)
    assert violations(page) == []
    board.keys_work(page)
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stChatInputTextArea")).not_to_be_focused()
    page.keyboard.press("0")
    expect(page.locator(".mlc-reader")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.locator(".mlc-reader")).to_have_count(0)
    page.keyboard.press("d")
    expect(page.locator(".mlc-diff, p.mlc-muted").first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("?")
    expect(page.locator("dialog.mlc-keys")).to_be_visible()
    assert page.locator("dialog.mlc-keys").evaluate("box => box.scrollTop") == 0
    assert violations(page) == []


def test_the_editor_of_groups_has_no_serious_violation(blank: Page, app: App) -> None:
    page = blank
    page.goto(f"{app.address}/groups?lang=en")
    page.locator(".st-key-groups_new button").click()
    expect(page.locator(".st-key-groups_editor_save button")).to_be_visible()
    page.get_by_text("Limits of this level").click()
    page.wait_for_timeout(1000)
    assert violations(page) == []
