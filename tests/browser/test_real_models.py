"""Real models of both kinds beside each other in a real browser, each in a process of its own."""

from __future__ import annotations

import os
import re
import signal

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import board
from tests.browser.conftest import App, new_context


@pytest.fixture(scope="module", autouse=True)
def models_in_memory(chromium: Browser, app: App) -> None:
    """Loading takes its time; afterwards every test can watch four models write at once."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{app.address}/?lang=en")
    board.warm_up(page)
    context.close()


def test_four_models_are_picked_and_write_at_the_same_time(page: Page) -> None:
    for index, name in enumerate(("north", "south", "north-Q8_0", "south-Q8_0")):
        page.get_by_role("combobox", name=f"Model of pane {'ABCD'[index]}").click()
        page.get_by_role("option", name=re.compile(rf"^{name} · ")).click()
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    board.expect_all_to_grow(page)
    board.stop_all(page)


def test_a_killed_model_process_ends_one_pane_only_and_retry_works(page: Page, app: App) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    os.kill(process_of(page, app, "north"), signal.SIGKILL)
    expect(board.states(page).nth(0)).to_have_attribute("data-state", "failed")
    expect(board.cards(page).nth(0).get_by_role("alert")).to_contain_text("process ended unexpectedly")
    for index in (1, 2, 3):
        expect(board.states(page).nth(index)).to_have_attribute("data-state", re.compile("running|done"))
    board.cards(page).nth(0).get_by_role("button", name="Retry").click()
    expect(board.states(page).nth(0)).to_have_attribute("data-state", "running")
    board.stop_all(page)
    expect(page.get_by_text("Traceback")).to_have_count(0)


def process_of(page: Page, app: App, name: str) -> int:
    """The process of a loaded model, as the Models page shows it."""
    other = page.context.new_page()
    other.goto(f"{app.address}/models?lang=en")
    label = other.locator("b", has_text=re.compile(rf"^\s*{name}\s*$"))
    row = other.locator('[class*="st-key-loaded_"]', has=label)
    hint = row.locator("[title^=Process]").first.get_attribute("title")
    other.close()
    pid = int((hint or "").removeprefix("Process "))
    assert pid in {child.pid for child in psutil.Process(app.process.pid).children(recursive=True)}
    return pid
