"""Models, History and Settings in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser import board
from tests.browser.conftest import App, remember_panes
from tests.browser.test_accessibility import violations


def test_a_model_is_loaded_and_unloaded(blank: Page, app: App) -> None:
    page = blank
    page.goto(f"{app.address}/models?lang=en")
    row = page.locator('[class*="st-key-model_row_"]', has_text="south-Q8_0")
    row.get_by_role("button", name="Details").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Estimate:")).to_be_visible()
    dialog.get_by_label("Context, tokens").fill("512")
    dialog.get_by_label("Context, tokens").press("Enter")
    dialog.get_by_role("button", name="Load", exact=True).click()
    loaded = page.locator('[class*="st-key-loaded_"]', has_text=re.compile("south-Q8_0.*512"))
    expect(loaded).to_contain_text("idle")
    loaded.get_by_role("button", name="Unload").click()
    expect(loaded).to_have_count(0)


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "zh")])
def test_a_models_note_is_written_and_found_by_keys_alone(blank: Page, app: App, width: int, language: str) -> None:
    page = blank
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{app.address}/models?lang={language}")
    rows = page.locator('[class*="st-key-model_row_"]')
    expect(rows).to_have_count(4)
    board.expect_to_fit_any_width(page)
    board.focus(page.locator('[class*="st-key-models_details_"] button').nth(1))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    note = dialog.locator('[class*="st-key-models_note_"] textarea')
    board.focus(note)
    assert dialog.evaluate("dialog => dialog.scrollWidth <= innerWidth")
    page.keyboard.press("Control+a")
    page.keyboard.type(f"Rhymes {width}")
    dialog.locator('[class*="st-key-models_note_keep_"] button').press("Enter")
    board.press_away(page, "Escape", dialog)
    filter = page.locator(".st-key-models_filter input")
    board.focus(filter)
    page.keyboard.type(f"rhymes {width}")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)


def test_how_fast_a_model_was_over_time_is_seen_by_keys_alone(blank: Page, app: App, models: Path) -> None:
    page, name = blank, "south-Q8_0"
    found = [model.id for model in ModelManager(models).scan_models() if model.name == name]
    remember_panes(app.home, found, ModelConfig(temperature=0.0, max_tokens=16, n_ctx=4096))
    page.goto(f"{app.address}/?lang=en")
    for turn in range(2):
        board.ask(page, "Tell me a story.")
        board.expect_states(page, "done", count=1, turn=turn)
    page.goto(f"{app.address}/models?lang=en")
    dialog = page.get_by_role("dialog")
    row = page.locator('[class*="st-key-model_row_"]', has_text=name)
    for width, language in board.LOOKS:
        board.look(page, width, language)
        board.focus(row.locator('[class*="st-key-models_details_"] button'))
        page.keyboard.press("Enter")
        board.focus(dialog.locator('[class*="st-key-models_past_"] summary'))
        page.keyboard.press("Enter")
        # Other tests may have asked it too.
        answers = translate(language, "models.past_n", n="@").replace("@", "[0-9]+")
        expect(dialog).to_contain_text(re.compile(answers))
        chart = dialog.locator(".js-plotly-plot")
        expect(chart).to_be_visible()
        assert len(chart.evaluate("chart => chart.data[0].y")) >= 2
        assert dialog.evaluate("dialog => dialog.scrollWidth <= innerWidth")
        assert violations(page) == []
        board.press_away(page, "Escape", dialog)


def test_models_are_filtered(blank: Page, app: App) -> None:
    page = blank
    page.goto(f"{app.address}/models?lang=en")
    rows = page.locator('[class*="st-key-model_row_"]')
    expect(rows).to_have_count(4)
    page.get_by_placeholder("Filter").fill("gguf south")
    page.get_by_placeholder("Filter").press("Enter")
    expect(rows).to_have_count(1)


def test_a_past_run_is_found_opened_and_deleted(page: Page, app: App) -> None:
    board.ask(page, "A prompt about quinces")
    expect(board.cards(page)).to_have_count(4)
    board.stop_all(page)
    board.expect_states(page, re.compile("stopped|done"))
    page.get_by_role("link", name="History").click()
    page.get_by_placeholder("Search titles, prompts and answers").fill("quinces")
    page.get_by_placeholder("Search titles, prompts and answers").press("Enter")
    run = page.locator('[class*="st-key-run_"]', has_text="quinces")
    expect(run).to_have_count(1)
    run.get_by_role("button", name="Open").click()
    expect(page.locator(".mlc-prompt")).to_have_text("A prompt about quinces")
    expect(page).to_have_url(re.compile("run="))
    page.get_by_role("link", name="History").click()
    run.get_by_role("button", name="Delete").click()
    page.locator('[class*="st-key-history_delete_yes_"] button').click()
    expect(run).to_have_count(0)


def test_the_theme_follows_the_readers_choice_of_dark(chromium: Browser, app: App) -> None:
    context = chromium.new_context(color_scheme="dark", locale="zh-CN")
    page = context.new_page()
    page.goto(app.address)
    # Until the page has heard of our colours it is dark in Streamlit's own.
    expect(page.locator('[data-testid="stApp"]')).to_have_css("background-color", "rgb(18, 20, 25)")
    context.close()
