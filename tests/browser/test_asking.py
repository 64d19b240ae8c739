"""Before one asks on the Compare page: what is attached, and all panes alike, or one model in four ways."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from multi_llm_comparator.core.image_data import image_bytes
from tests.applications import documents
from tests.browser import board
from tests.ui.compare.test_images import POINT


def test_a_text_a_pdf_and_an_image_are_attached_and_say_what_fits(page: Page, tmp_path: Path) -> None:
    text, pdf, image = tmp_path / "notes.txt", tmp_path / "report.pdf", tmp_path / "point.png"
    text.write_text("Sales rose in May.", encoding="utf-8")
    pdf.write_bytes(documents.pdf(["Costs fell in June."]))
    image.write_bytes(image_bytes(POINT))
    expect(board_facts(page)).to_have_count(4)
    page.locator(".st-key-icon_compare_attach button").press("Enter")
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files([text, pdf, image])
    row = page.locator(".st-key-compare_attached_row")
    expect(row.locator(".mlc-attached")).to_have_count(3)
    expect(row.locator(".mlc-attached img")).to_have_count(1)
    for letter in "ABCD":
        expect(row.locator(".mlc-rooms")).to_contain_text(re.compile(rf"{letter} [\d,]+ of 4,096: "))
    expect(row).to_contain_text("text only")
    page.keyboard.press("Escape")
    board.ask(page, "What do they say?")
    asked = page.locator(".st-key-turn_prompt_0")
    expect(asked).to_contain_text("Sales rose in May.")
    expect(asked).to_contain_text("Costs fell in June.")
    expect(asked.locator("img").first).to_be_visible()
    expect(row).to_have_count(0)
    board.stop_all(page)


def clicks(page: Page) -> int:
    """How many clicks of a person the page has had since it was first asked."""
    counted: int = page.evaluate(
        "() => { if (window.clicksHere === undefined) { window.clicksHere = 0;"
        " window.addEventListener('click', (event) => { window.clicksHere += event.isTrusted && event.detail > 0; },"
        " true); } return window.clicksHere; }"
    )
    return counted


def test_one_seed_and_temperature_0_in_four_panes_is_one_click(page: Page) -> None:
    expect(board_facts(page)).to_have_count(4)
    clicks(page)
    page.get_by_role("button", name="Temperature 0, one seed").first.click()
    expect(board_facts(page).filter(has_text=re.compile("greedy.*reproducible"))).to_have_count(4)
    assert clicks(page) == 1


def test_four_temperatures_of_one_model_are_three_clicks_with_the_question(page: Page) -> None:
    expect(board_facts(page)).to_have_count(4)
    clicks(page)
    page.get_by_role("button", name="How to ask").first.click()
    page.get_by_role("button", name="One model at temperatures").first.click()
    for text in ("greedy", "T 0.4", "T 0.8", "T 1.2"):
        expect(board_facts(page).filter(has_text=text)).to_have_count(1)
    page.locator('[class*="st-key-compare_example_"] button').first.click()
    expect(page.locator(".mlc-differs")).to_contain_text(re.compile("Temperature.*A 0 · B 0.4 · C 0.8 · D 1.2"))
    assert clicks(page) == 3
    expect(board.cards(page).nth(2).locator(".mlc-told")).to_contain_text("Temperature 0.8")
    badges = page.locator('[class*="st-key-card_0_"] .mlc-letter').evaluate_all(
        "all => all.map(one => one.style.cssText)"
    )
    assert len(set(badges)) == 4
    board.stop_all(page)


def board_facts(page: Page) -> Locator:
    return page.locator(".mlc-facts-line")
