"""The main job, in a real browser. Models are scripted: they write on for as long as somebody watches, and leave the
processors to the pages. With real ones, which write as fast as they can: :mod:`tests.browser.test_real_models`."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.core.config import ModelConfig
from tests.browser import board
from tests.browser.conftest import remember_panes
from tests.browser.downloads import downloaded
from tests.browser.scripted import scripted_app, write_endless

NAMES = ("north", "south", "east", "west")
LONG = ModelConfig(temperature=0.0, max_tokens=4000, n_ctx=8192)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of the app, its home, and its models' ids."""
    scripts, home = tmp_path_factory.mktemp("scripts"), tmp_path_factory.mktemp("home")
    ids = write_endless(scripts, NAMES)
    with scripted_app(scripts, home, MLC_FIRST_MODEL="false") as address:
        yield address, home, ids


@pytest.fixture
def page(context: BrowserContext, served: tuple[str, Path, list[str]]) -> Page:
    """The Compare page with all four, whatever the test before this one chose."""
    address, home, ids = served
    remember_panes(home, ids, LONG)
    page = context.new_page()
    page.goto(f"{address}/?lang=en")
    return page


def test_one_pane_stops_and_the_others_go_on(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    board.cards(page).nth(0).get_by_role("button", name="Stop").click()
    expect(board.states(page).nth(0)).to_have_attribute("data-state", "stopped")
    board.expect_longer(page, board.lengths(page), first=1)
    stopped = board.texts(page)[0]
    board.expect_longer(page, board.lengths(page), first=1)
    assert board.texts(page)[0] == stopped
    board.stop_all(page)


def test_a_reload_in_mid_stream_stops_nothing(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    before = board.lengths(page)
    page.reload()
    board.expect_states(page, "running")
    board.expect_longer(page, before)
    board.expect_all_to_grow(page)
    board.stop_all(page)


def test_a_growing_answer_is_followed_unless_one_scrolled_up_and_opens_at_its_beginning(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    box = "document.querySelectorAll('[class*=st-key-text_0_]')[{}]"
    first, second = box.format(0), box.format(1)
    board.wait_until(page, f"{first}.scrollTop > 100 && {second}.scrollTop > 100")
    page.evaluate(f"{first}.scrollTop = 0")
    before = page.evaluate(f"[{first}.scrollHeight, {second}.scrollTop]")
    board.wait_until(page, f"{first}.scrollHeight > {before[0]} + 60 && {second}.scrollTop > {before[1]} + 60")
    assert page.evaluate(f"{first}.scrollTop") == 0
    board.stop_all(page)
    board.wait_until(page, f"{second}.scrollTop === 0")


def test_two_tabs_show_one_run_and_either_can_act_on_it(page: Page, context: BrowserContext) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    other = context.new_page()
    other.goto(page.url)
    board.expect_states(other, "running")
    board.stop_all(other)
    board.expect_states(page, "stopped")
    board.ask(page, "And another.")
    expect(board.cards(other, turn=1)).to_have_count(4)
    board.stop_all(page)


def test_closing_the_page_stops_nothing(page: Page, context: BrowserContext) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    before = board.lengths(page)
    address = page.url
    page.close()
    again = context.new_page()
    again.goto(address)
    board.expect_states(again, "running")
    board.expect_longer(again, before)
    board.stop_all(again)


def test_an_answer_is_made_again_and_both_attempts_can_be_read(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    board.stop_all(page)
    board.expect_states(page, "stopped")
    card = board.cards(page).nth(2)
    card.get_by_role("button", name="Regenerate").click()
    expect(card.get_by_text("2/2")).to_be_visible()
    expect(board.states(page).nth(2)).to_have_attribute("data-state", "running")
    card.get_by_role("button", name="Stop").click()
    expect(board.states(page).nth(2)).to_have_attribute("data-state", "stopped")
    card.get_by_role("button", name="Earlier answer").click()
    expect(card.get_by_text("1/2")).to_be_visible()


def test_an_earlier_prompt_is_asked_otherwise_in_a_run_of_its_own(page: Page) -> None:
    for turn, prompt in enumerate(("Tell me a story.", "Tell me another.")):
        board.ask(page, prompt)
        board.expect_states(page, "running", turn=turn)
        board.stop_all(page)
    before = page.url
    page.locator(".st-key-icon_edit_1 button").first.click()
    editor = page.get_by_role("dialog")
    editor.get_by_label("Prompt").fill("Tell me a joke.")
    editor.get_by_label("Prompt").press("Control+Enter")
    editor.get_by_role("button", name="Send", exact=True).click()
    expect(editor).to_have_count(0)
    board.expect_states(page, "running", turn=1)
    expect(page.locator(".mlc-prompt")).to_have_text(["Tell me a story.", "Tell me a joke."])
    board.expect_states(page, "stopped", turn=0)
    expect(page).not_to_have_url(before)
    board.stop_all(page)


def test_prompts_sent_the_moment_the_last_answers_end_stream_too(page: Page) -> None:
    for turn in range(3):
        board.ask(page, "Tell me a story.")
        board.expect_states(page, "running", turn=turn)
        board.expect_all_to_grow(page, turn)
        board.stop_all(page)


def test_a_model_chosen_at_once_after_new_stays_in_the_new_comparison(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    board.stop_all(page)
    page.locator(".st-key-compare_new button").click()
    page.get_by_role("combobox", name="Model of pane A").click()
    page.get_by_role("option", name=re.compile("^south · ")).click()
    expect(page.locator(".mlc-hero")).to_be_visible()
    expect(page.get_by_role("combobox", name="Model of pane A")).to_have_value(re.compile("^south · "))
    expect(page).not_to_have_url(re.compile("run="))


def test_a_run_is_exported_in_all_formats(page: Page, tmp_path: Path) -> None:
    board.ask(page, "Tell me a <b>story</b>.")
    board.expect_states(page, "running")
    board.stop_all(page)
    board.expect_states(page, "stopped")
    page.locator(".st-key-compare_export button").first.click()
    files = downloaded(page, ("JSON", "CSV", "Markdown", "HTML"), tmp_path)
    assert len(json.loads(files["JSON"])["answers"]) == 4
    assert [row["prompt"] for row in csv.DictReader(io.StringIO(files["CSV"]))] == ["Tell me a <b>story</b>."] * 4
    assert "Tell me a" in files["Markdown"]
    assert "<b>story</b>" not in files["HTML"]


def test_the_page_switches_to_chinese_and_back(page: Page) -> None:
    page.get_by_role("button", name="中文").click()
    expect(page.get_by_text("一个提示词，并排比较")).to_be_visible()
    expect(page.get_by_role("link", name="历史")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_text("One prompt, side by side")).to_be_visible()


def test_on_a_phone_the_prompt_keeps_its_width_while_answers_are_written(page: Page) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    page.set_viewport_size({"width": 390, "height": 900})
    expect(page.locator(".st-key-compare_stop_all")).to_be_visible()
    board.wait_until(page, "document.querySelector('[data-testid=stChatInput]').getBoundingClientRect().width > 200")
    board.stop_all(page)


@pytest.mark.parametrize(("width", "abreast"), [(1280, 4), (800, 2)])
def test_panes_stand_abreast_as_far_as_they_are_readable(page: Page, width: int, abreast: int) -> None:
    board.ask(page, "Tell me a story.")
    board.expect_states(page, "running")
    page.set_viewport_size({"width": width, "height": 900})
    # All boxes at one moment: what is above a card may grow between two looks.
    board.wait_until(
        page,
        """rows => {
          const boxes = [...document.querySelectorAll('[class*="st-key-card_0_"]')].map(c => c.getBoundingClientRect());
          return new Set(boxes.map(box => Math.round(box.y))).size === rows && boxes.every(box => box.width > 230)
            && document.documentElement.scrollWidth <= window.innerWidth;
        }""",
        4 // abreast,
    )
    board.stop_all(page)
