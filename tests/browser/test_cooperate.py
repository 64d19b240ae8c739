"""The page Cooperate in a real browser: each mode from a question to its answer, stop, and a file. Models are scripted,
so that what is to be seen lasts long enough."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser.board import expect_to_fit_any_width
from tests.browser.conftest import PATIENCE_MS
from tests.browser.downloads import downloaded
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations

QUESTION = "How many legs have 3 cats?"
MODES = ("Sequential", "Parallel", "Voting", "Pipeline", "Ensemble", "Cascade", "Council")


def write_scripts(folder: Path) -> None:
    scripts: dict[str, dict[str, Any]] = {
        name: {
            "answers": [
                {"pattern": "endlessly", "text": "on and on " * 3000},
                {"pattern": "silent", "text": " "},
            ],
            "otherwise": f"{text} These are 12 legs.",
            "tokens_per_second": 20,
        }
        for name, text in {"ash": "Each cat has 4.", "birch": "3 times 4.", "cedar": "4 + 4 + 4."}.items()
    }
    for name, script in scripts.items():
        (folder / f"{name}.json").write_text(json.dumps(script), encoding="utf-8")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    scripts = tmp_path_factory.mktemp("scripts")
    write_scripts(scripts)
    home = tmp_path_factory.mktemp("home")
    with scripted_app(scripts, home, MLC_CONFIGS_DIR=str(home / "configs")) as served:
        yield f"{served}/cooperate?lang=en"


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    page: Page = context.new_page()
    page.goto(address)
    expect(page.locator(".mlc-hero")).to_be_visible()
    return page


def ask(page: Page, question: str = QUESTION) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(question)
    box.press("Enter")


def choose(page: Page, mode: str) -> None:
    page.get_by_role("combobox", name="Mode").click()
    page.get_by_role("option", name=mode, exact=True).click()
    expect(page.get_by_role("combobox", name="Mode")).to_have_value(mode)


@pytest.mark.parametrize("mode", MODES)
def test_a_question_comes_to_an_answer_with_the_members_beside_it(page: Page, mode: str, tmp_path: Path) -> None:
    choose(page, mode)
    ask(page)
    expect(page.locator('[data-run-state="done"]')).to_be_visible(timeout=3 * PATIENCE_MS)
    expect(page.locator(".st-key-cooperate_answer")).to_contain_text("12 legs")
    expect(page.locator('[class*="st-key-cooperate_card_"]').first).to_contain_text("12 legs")
    expect(page.locator(".st-key-cooperate_lanes .mlc-plot")).to_be_visible()
    if mode in ("Voting", "Cascade"):
        expect(page.locator(".st-key-cooperate_votes .mlc-plot")).to_be_visible()
    expect(page.get_by_text("not measured yet").first).to_be_visible()
    page.get_by_role("button", name="Export").click()
    (text,) = downloaded(page, ("Markdown",), tmp_path).values()
    assert QUESTION in text and mode in text and "12 legs" in text


def test_stopping_ends_all_members_and_what_is_there_can_be_resumed(page: Page) -> None:
    choose(page, "Parallel")
    ask(page, "Count endlessly.")
    expect(page.get_by_text("on and on").first).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator('[data-run-state="stopped"]')).to_be_visible()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_state_fits_every_width_in_both_languages(context: BrowserContext, address: str, language: str) -> None:
    page = context.new_page()
    page.goto(address.replace("lang=en", f"lang={language}"))
    expect(page.locator(".mlc-hero")).to_be_visible()
    expect_to_fit_any_width(page)
    ask(page, "Count endlessly.")
    expect(page.get_by_text("on and on").first).to_be_visible()
    expect_to_fit_any_width(page)
    page.get_by_role("button", name=translate(language, "act.stop")).click()
    expect(page.locator('[data-run-state="stopped"]')).to_be_visible()
    expect_to_fit_any_width(page)
    page.get_by_role("button", name=translate(language, "run.new")).click()
    expect(page.locator(".mlc-hero")).to_be_visible()
    ask(page, "Be silent.")
    expect(page.locator('[data-run-state="failed"]')).to_be_visible(timeout=3 * PATIENCE_MS)
    expect_to_fit_any_width(page)


def test_nothing_is_wider_than_the_page_and_the_report_says_it_all(page: Page, tmp_path: Path) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    page.get_by_role("button", name="Voting: What is 17 + 26?").click()
    expect(page.locator('[data-run-state="done"]')).to_be_visible()
    expect_to_fit_any_width(page)
    page.wait_for_timeout(1000)
    assert violations(page) == []
    page.get_by_role("button", name="Export").click()
    files = downloaded(page, ("HTML", "JSON", "Markdown"), tmp_path)
    assert all("What is 17 + 26?" in text and "These are 12 legs." in text for text in files.values())
