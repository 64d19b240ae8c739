"""The Tune page in a real browser: a small model is really tuned, by a job of its own, and compared in the end."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser.board import expect_to_fit, wait_until
from tests.browser.test_accessibility import violations
from tests.browser.tuning import (
    JOB_MS,
    button,
    choose,
    expect_state,
    figure,
    pick,
    state,
    steps_done,
    tuning_app,
    wait_for_steps,
)

# So many times through the data that the job is at work for as long as somebody reloads and stops it; in English also
# sets up another one meanwhile.
EPOCHS: dict[Language, str] = {"en": "90", "zh": "40"}
WIDTHS: dict[Language, int] = {"en": 1280, "zh": 800}
ROWS = [
    (f"What is {a} + {b}?", f"{a} + {b} = {a + b} (Source: arithmetic.)") for a in range(3, 9) for b in range(11, 18)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the small demo model alone, in a home of its own; its jobs end with it."""
    with tuning_app(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")) as found:
        yield f"{found}/tune?lang="


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file in no known form, with a row that is there twice."""
    path = tmp_path / "sums.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "task_de", "solved"])
        writer.writerows([number, *row] for number, row in enumerate([*ROWS, ROWS[0]], 1))
    return path


@pytest.mark.parametrize("language", ["en", "zh"])
def test_from_an_upload_to_base_and_tuned_model_side_by_side(
    context: BrowserContext, address: str, data: Path, language: Language
) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": WIDTHS[language], "height": 1000})
    page.goto(address + language)
    _set_up(page, data, language)
    expect_to_fit(page)
    page.locator(".st-key-tune_start button").click()
    expect(state(page)).to_be_visible()
    job = page.url
    wait_for_steps(page)

    page.reload()
    expect(state(page)).to_have_attribute("data-run-state", "running")
    assert page.url == job
    expect_to_fit(page)
    if language == "en":
        _queue_another(context, address)

    button(page, "stop").click()
    expect_state(page, "stopped")
    expect_to_fit(page)
    stopped_at = steps_done(page)
    button(page, "resume").click()
    wait_for_steps(page, stopped_at)
    expect_state(page, "done")
    expect(page.locator(".mlc-tune-answer").last).to_contain_text("(Source: arithmetic.)")
    expect(page.locator(".st-key-tune_losses .js-line").first).to_be_attached()
    expect_to_fit(page)
    assert violations(page) == []
    if language == "en":
        _go_elsewhere(page)
    _compare(page, language)


def _set_up(page: Page, data: Path, language: Language) -> None:
    """Upload, say which columns are what, look at what cleaning found, and ask for many rounds."""

    def word(key: str, **values: str) -> str:
        return translate(language, f"tune.{key}", **values)

    pick(page, "data", word("source_upload"))
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(data)
    expect(page.get_by_text(word("needs_mapping", looked_at=str(len(ROWS) + 1)))).to_be_visible()
    choose(page, word("map_user"), "task_de")
    choose(page, word("map_assistant"), "solved")
    wait_until(
        page,
        """() => [...document.querySelectorAll(".mlc-tune-tokens .mlc-learnt")].map((token) => token.innerText)
          .join("").includes("Source")""",
    )

    expect(figure(page, "cleaning", word("rows_left_out"))).to_have_text("1")
    same = page.locator(".st-key-tune_rule_exact_duplicate")
    same.get_by_text(word("rule_exact_duplicate")).click()
    expect(same).to_contain_text(word("found_kept_n", n="1"))
    same.get_by_text(word("rule_exact_duplicate")).click()
    expect(page.locator(".st-key-tune_rule_near_duplicate")).to_have_count(0)

    page.locator(".st-key-tune_options button").first.click()
    epochs = page.get_by_role("spinbutton", name=word("option_epochs"))
    epochs.fill(EPOCHS[language])
    epochs.press("Enter")
    expect(page.locator(".st-key-tune_block_preset")).to_contain_text(word("said_epochs", n=EPOCHS[language]))
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-tune_start button")).to_be_enabled()


def _queue_another(context: BrowserContext, address: str) -> None:
    """A second job, with the example, set up in Chinese on a narrow page: it waits behind the first."""
    other = context.new_page()
    other.set_viewport_size({"width": 800, "height": 1000})
    other.goto(f"{address}zh")
    expect(other.get_by_role("heading", name="新的微调")).to_be_visible()
    start = other.locator(".st-key-tune_start button")
    expect(start).to_be_enabled()
    expect_to_fit(other)
    start.click()
    expect_state(other, "queued")
    expect(other.locator(".mlc-plan-status")).to_contain_text("等待")
    expect_to_fit(other)
    button(other, "stop").click()
    expect_state(other, "stopped")
    other.close()


def _go_elsewhere(page: Page) -> None:
    """The tuned model beside its base in Measure, and as the small model of a plan."""
    job = page.url
    button(page, "measure").click()
    expect(page.get_by_role("heading", name="New evaluation")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Remove demo-small:"))).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Remove demo-small"))).to_have_count(2)
    page.goto(job)
    button(page, "plans").click()
    expect(page.get_by_role("heading", name="New plan")).to_be_visible()
    page.goto(job)


def _compare(page: Page, language: Language) -> None:
    button(page, "compare").click()
    pane = translate(language, "setup.model", letter="B")
    expect(page.get_by_role("combobox", name=pane)).to_have_value(re.compile("^demo-small:"))
    expect_to_fit(page)
    page.locator(".st-key-compare_offered_0 button").click()
    answers = page.locator('[class*="st-key-card_0_"]')
    for index in range(2):
        chip = answers.nth(index).locator("[data-state]")
        expect(chip).to_have_attribute("data-state", "done", timeout=JOB_MS)
    expect(answers.nth(1).locator('[class*="st-key-text_"]')).to_contain_text("(Source: arithmetic.)")
    expect(answers.nth(0).locator('[class*="st-key-text_"]')).not_to_contain_text("Source")
    expect_to_fit(page)
