"""An answer opened as its tokens, by keys alone: unsure tokens, what else might have stood there, going on from it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser import board
from tests.browser.conftest import App
from tests.browser.test_accessibility import violations


@pytest.fixture
def answered(context: BrowserContext, app: App, models: Path) -> Iterator[Page]:
    """Two forms of one model that were asked with log-probabilities kept."""
    config = ModelConfig(temperature=0.0, max_tokens=24, n_ctx=4096, top_logprobs=5)
    found = [model for model in ModelManager(models).scan_models() if model.model_type.value == "gguf"][:2]
    panes = [{"target": model.id, "config": asdict(config)} for model in found]
    (app.home / "preferences.json").write_text(json.dumps({"language": "en", "panes": panes}), encoding="utf-8")
    page = context.new_page()
    page.goto(f"{app.address}/?lang=en")
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_enabled()
    board.ask(page, "Tell me a story.")
    board.expect_states(page, re.compile("done"), count=2)
    yield page


def test_keys_alone_go_on_from_another_token(answered: Page) -> None:
    page = answered
    text = board.cards(page).first.locator('[class*="st-key-text_"][role="region"]')
    board.keys_work(page)
    board.focus(text)
    board.press(page, "t", ".tokens")
    tokens = page.locator(".tokens")
    expect(tokens).to_be_focused()
    expect(tokens.locator(".token")).to_have_count(24)
    before = page.locator(".panel p").text_content()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".panel p")).not_to_have_text(before or "")
    page.keyboard.press("n")
    page.keyboard.press("p")
    expect(page.locator(".panel li")).to_have_count(5)
    # The keys of the page behind are not meant.
    expect(page.locator(".mlc-reader")).to_have_count(0)
    other = page.locator(".panel li:not(.own) button:enabled").first
    board.focus(other)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator('[class*="st-key-attempts_0_"]')).to_have_count(1)
    board.expect_states(page, re.compile("done"), count=2)


def test_a_digit_leads_to_what_else_might_have_stood_there_and_n_back_to_the_tokens(answered: Page) -> None:
    page = answered
    board.focus(page.locator('[class*="st-key-icon_tokens_"] button:visible').first)
    page.keyboard.press("Enter")
    expect(page.locator(".tokens")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".tokens .chosen")).to_have_count(1)
    own = page.locator(".panel li").evaluate_all("all => all.findIndex(one => one.className === 'own')")
    page.keyboard.press("2" if own == 0 else "1")
    expect(page.locator(".panel li button").nth(1 if own == 0 else 0)).to_be_focused()
    page.keyboard.press("n")
    expect(page.locator(".tokens")).to_be_focused()
    if page.locator(".tokens .unsure").count():
        expect(page.locator(".tokens .chosen.unsure")).to_have_count(1)


def test_what_the_other_model_loses_is_measured_on_the_answer(answered: Page) -> None:
    board.focus(answered.locator('[class*="st-key-icon_tokens_"] button:visible').first)
    answered.keyboard.press("Enter")
    dialog = answered.get_by_role("dialog")
    dialog.get_by_text("What the other models lose on this answer").click()
    dialog.get_by_role("button", name="Compare predictions").press("Enter")
    expect(dialog).to_contain_text(re.compile(r"B · .*nats of divergence per token \(mean KL\)", re.DOTALL))
    expect(dialog.locator(".mlc-token-loss span")).to_have_count(24)


def test_the_tokens_fit_on_any_screen_and_show_where_panes_part(answered: Page) -> None:
    page = answered
    for width, language in board.LOOKS:
        board.look(page, width, language)
        board.focus(page.locator('[class*="st-key-icon_tokens_"] button:visible').first)
        page.keyboard.press("Enter")
        expect(page.locator(".tokens .token").first).to_be_visible()
        beside = translate(language, "tokens.beside")
        expect(page.get_by_role("dialog").get_by_text(beside).first).to_be_visible()
        board.expect_to_fit(page)
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
