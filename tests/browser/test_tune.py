"""The Tune page in a real browser: a small model is really tuned, by a job of its own, and compared in the end."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.tuning import (
    JOB_MS,
    button,
    choose,
    expect_state,
    figure,
    no_wider_than_the_page,
    pick,
    state,
    steps_done,
    tuning_app,
    wait_for_steps,
)

# So many times through the data that the job is at work for as long as somebody reloads and stops it.
EPOCHS = "90"
ROWS = [
    (f"What is {a} + {b}?", f"{a} + {b} = {a + b} (Source: arithmetic.)") for a in range(3, 9) for b in range(11, 18)
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the small demo model alone, in a home of its own; its jobs end with it."""
    with tuning_app(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models")) as found:
        yield f"{found}/tune?lang=en"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A file in no known form, with a row that is there twice."""
    path = tmp_path / "sums.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["number", "task_de", "solved"])
        writer.writerows([number, *row] for number, row in enumerate([*ROWS, ROWS[0]], 1))
    return path


def test_from_an_upload_to_base_and_tuned_model_side_by_side(context: BrowserContext, address: str, data: Path) -> None:
    page = context.new_page()
    page.goto(address)
    _set_up(page, data)
    page.locator(".st-key-tune_start button").click()
    expect(state(page)).to_be_visible()
    job = page.url
    wait_for_steps(page)

    page.reload()
    expect(state(page)).to_have_attribute("data-run-state", "running")
    assert page.url == job
    _queue_another(context, address)

    button(page, "stop").click()
    expect_state(page, "stopped")
    stopped_at = steps_done(page)
    button(page, "resume").click()
    wait_for_steps(page, stopped_at)
    expect_state(page, "done")
    expect(page.locator(".mlc-tune-answer").last).to_contain_text("(Source: arithmetic.)")
    expect(page.locator(".st-key-tune_losses .js-line").first).to_be_attached()

    _compare(page)


def _set_up(page: Page, data: Path) -> None:
    """Upload, say which columns are what, look at what cleaning found, and ask for many rounds."""
    pick(page, "data", "Upload")
    page.get_by_test_id("stFileUploaderDropzoneInput").set_input_files(data)
    expect(page.get_by_text("None of the known forms")).to_be_visible()
    choose(page, "What is asked", "task_de")
    choose(page, "The answer to learn", "solved")
    learnt = page.locator(".mlc-tune-tokens .mlc-learnt")
    expect(learnt.first).to_be_visible()
    assert "Source" in "".join(learnt.all_inner_texts())

    expect(figure(page, "cleaning", "left out")).to_have_text("1")
    same = page.locator(".st-key-tune_rule_exact_duplicate")
    same.get_by_text("Duplicates").click()
    expect(same).to_contain_text("1 found, kept")
    same.get_by_text("Duplicates").click()
    expect(page.locator(".st-key-tune_rule_near_duplicate")).to_have_count(0)

    page.locator(".st-key-tune_options button").first.click()
    epochs = page.get_by_role("spinbutton", name="Times through the data")
    epochs.fill(EPOCHS)
    epochs.press("Enter")
    expect(page.locator(".st-key-tune_block_preset")).to_contain_text(f"{EPOCHS} ×")
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-tune_start button")).to_be_enabled()


def _queue_another(context: BrowserContext, address: str) -> None:
    """A second job, with the example, set up in Chinese on a narrow page: it waits behind the first."""
    other = context.new_page()
    other.set_viewport_size({"width": 800, "height": 1000})
    other.goto(address.replace("lang=en", "lang=zh"))
    expect(other.get_by_role("heading", name="新的微调")).to_be_visible()
    start = other.locator(".st-key-tune_start button")
    expect(start).to_be_enabled()
    assert no_wider_than_the_page(other)
    start.click()
    expect_state(other, "queued")
    expect(other.locator(".mlc-plan-status")).to_contain_text("等待")
    assert no_wider_than_the_page(other)
    button(other, "stop").click()
    expect_state(other, "stopped")
    other.close()


def _compare(page: Page) -> None:
    button(page, "compare").click()
    expect(page.get_by_role("combobox", name="Model of pane B")).to_have_value(re.compile("^demo-small:"))
    page.locator(".st-key-compare_offered_0 button").click()
    answers = page.locator('[class*="st-key-card_0_"]')
    for index in range(2):
        chip = answers.nth(index).locator("[data-state]")
        expect(chip).to_have_attribute("data-state", "done", timeout=JOB_MS)
    expect(answers.nth(1).locator('[class*="st-key-text_"]')).to_contain_text("(Source: arithmetic.)")
    expect(answers.nth(0).locator('[class*="st-key-text_"]')).not_to_contain_text("Source")
