"""Looking closer on the Compare page, by keys alone: answers opened wide, differences, the same parameters for all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser import board
from tests.browser.conftest import App, new_context
from tests.browser.test_accessibility import violations


@pytest.fixture(scope="module")
def answered(chromium: Browser, app: App) -> str:
    """The address of a run that four models have answered."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(f"{app.address}/?lang=en")
    board.ask(page, "Tell me a story.")
    for index in range(4):
        words = board.cards(page).nth(index).locator('[class*="st-key-text_"] p')
        expect(words.first).to_be_visible(timeout=board.LOADING_MS)
    board.stop_all(page)
    board.expect_states(page, re.compile("stopped|done"))
    expect(page).to_have_url(re.compile("run="))
    address = page.url
    context.close()
    return address


@pytest.fixture(scope="module")
def shared(chromium: Browser) -> Iterator[Page]:
    """One page for all that read the run: to open it takes longer than most of them."""
    context = new_context(chromium)
    yield context.new_page()
    context.close()


@pytest.fixture
def run(shared: Page, answered: str) -> Page:
    """The run as it opens, with the focus on the page, as after Escape in the prompt."""
    shared.set_viewport_size({"width": 1280, "height": 900})
    if not is_as_it_opens(shared):
        shared.goto(answered)
    leave_prompt(shared)
    return shared


def leave_prompt(page: Page) -> None:
    expect(board.cards(page)).to_have_count(4)
    board.keys_work(page)
    board.focus(page.get_by_test_id("stChatInputTextArea"))
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("stChatInputTextArea")).not_to_be_focused()


def is_as_it_opens(page: Page) -> bool:
    """Whether whoever had the page before left nothing open, nothing typed, all answers as they were, and English."""
    if "lang=en" not in page.url:
        return False
    for _ in range(3):
        page.keyboard.press("Escape")
    left = page.locator(".mlc-reader, .mlc-diff, .mlc-at, [role=dialog], dialog[open], nav.mlc-outline")
    box = page.get_by_test_id("stChatInputTextArea")
    return left.count() == 0 and box.count() == 1 and not box.input_value() and visible_cards(page) == 4


def bar(page: Page) -> Locator:
    return page.locator(".mlc-reader")


def visible_cards(page: Page) -> int:
    shown: int = board.cards(page).evaluate_all(
        "all => all.filter(card => card.offsetParent && getComputedStyle(card).visibility === 'visible').length"
    )
    return shown


def test_answers_open_wide_by_their_numbers_and_close_with_escape(run: Page) -> None:
    for width in (1280, 800, 390):
        run.set_viewport_size({"width": width, "height": 900})
        _opens_and_closes(run, width)


def _opens_and_closes(run: Page, width: int) -> None:
    before = run.evaluate("document.querySelector('[class*=st-key-text_0_]').clientHeight")
    run.keyboard.press("2")
    expect(bar(run)).to_be_visible()
    assert visible_cards(run) == 1
    box = board.cards(run).nth(1).bounding_box()
    assert box is not None
    assert box["width"] > 0.9 * width
    text = board.cards(run).nth(1).locator('[class*="st-key-text_"]')
    assert text.evaluate("text => text.clientHeight") > max(300, before)
    expect(text).to_be_focused()
    run.keyboard.press("3")
    assert visible_cards(run) == 2
    run.keyboard.press("0")
    assert visible_cards(run) == 4
    assert run.evaluate("document.documentElement.scrollWidth <= innerWidth")
    run.keyboard.press("Escape")
    expect(bar(run)).to_have_count(0)
    assert visible_cards(run) == 4


def test_what_is_behind_an_open_answer_is_out_of_reach_of_the_tab_key(run: Page) -> None:
    run.keyboard.press("1")
    expect(bar(run)).to_be_visible()
    for _ in range(30):
        run.keyboard.press("Tab")
        is_outside = run.evaluate(
            "() => { const at = document.activeElement; return at !== document.body"
            " && !at.closest('.mlc-reader, [class*=st-key-turn_answers_]'); }"
        )
        assert not is_outside
    run.keyboard.press("Escape")


def test_open_answers_scroll_together_unless_that_is_switched_off(run: Page) -> None:
    run.keyboard.press("1")
    run.keyboard.press("2")
    run.set_viewport_size({"width": 1280, "height": 520})
    texts = "[...document.querySelectorAll('[class*=st-key-text_0_]')].slice(0, 2)"
    # Answers were stopped at some moment: they are made long enough to scroll.
    run.evaluate(
        f"{texts}.forEach((text, i) => {{ text.firstElementChild.style.minHeight = `${{2000 * (i + 1)}}px`; }})"
    )
    run.evaluate(f"{texts}[0].scrollTop = 500")
    board.wait_until(run, f"{texts}[1].scrollTop > 900")
    run.keyboard.press("s")
    run.evaluate(f"{texts}[0].scrollTop = 0")
    run.wait_for_timeout(300)
    assert run.evaluate(f"{texts}[1].scrollTop") > 900


def test_keys_do_nothing_while_one_types(run: Page) -> None:
    run.keyboard.press("/")
    box = run.get_by_test_id("stChatInputTextArea")
    expect(box).to_be_focused()
    run.keyboard.type("1 2 a ? d r c")
    expect(box).to_have_value("1 2 a ? d r c")
    expect(bar(run)).to_have_count(0)
    expect(run.locator("dialog.mlc-keys")).to_have_count(0)


def test_the_list_of_keys_opens_and_closes_and_explains_the_figures(run: Page) -> None:
    run.keyboard.press("?")
    keys = run.locator("dialog.mlc-keys")
    expect(keys).to_contain_text("Differences from A, B, C, D in turn")
    expect(keys).to_contain_text("First token")
    run.keyboard.press("Escape")
    expect(keys).to_have_count(0)


def test_differences_from_one_pane_after_the_other_come_and_go_with_one_key(run: Page) -> None:
    texts = board.cards(run).locator('[class*="st-key-text_"]')
    run.keyboard.press("d")
    expect(texts.nth(1).locator(".mlc-diff, p.mlc-muted")).to_be_visible()
    expect(texts.nth(0).locator(".mlc-diff")).to_have_count(0)
    run.keyboard.press("d")
    expect(texts.nth(0).locator(".mlc-diff, p.mlc-muted")).to_be_visible()
    expect(texts.nth(1).locator(".mlc-diff")).to_have_count(0)
    no_more_differences(run, after=1)


def no_more_differences(run: Page, after: int) -> None:
    """Press the key until they are gone, when those from the pane ``after`` are there: each pane has its turn first."""
    texts = board.cards(run).locator('[class*="st-key-text_"]')
    for base in range(after + 1, 4):
        run.keyboard.press("d")
        expect(texts.nth(base).locator(".mlc-diff, p.mlc-muted")).to_have_count(0)
        expect(texts.nth(base - 1).locator(".mlc-diff, p.mlc-muted")).to_be_visible()
    run.keyboard.press("d")
    expect(run.locator(".mlc-diff")).to_have_count(0)


def test_keys_go_from_one_difference_to_the_next_and_around(run: Page) -> None:
    run.keyboard.press("n")
    expect(run.locator(".mlc-at")).to_have_count(0)
    for width, language in board.LOOKS:
        board.look(run, width, language)
        leave_prompt(run)
        _goes_around(run, language)


def _goes_around(run: Page, language: str) -> None:
    # A key that comes while the page is drawn may be lost.
    for _ in range(3):
        run.keyboard.press("d")
        with suppress(AssertionError):
            expect(run.locator(".mlc-diff").first).to_be_visible(timeout=20_000)
            break
    expect(run.locator(".mlc-diff").first).to_be_visible()
    run.keyboard.press("n")
    expect(run.locator(".mlc-diff .mlc-at")).to_have_count(1)
    status = run.locator(".mlc-unseen[role=status]")
    said = translate(language, "read.change", letter="@", n="#", all="%").replace("@", "[BCD]")
    expect(status).to_have_text(re.compile(f"^{said.replace('#', '1').replace('%', '[0-9]+')}$"))
    run.keyboard.press("p")
    expect(status).to_have_text(re.compile("^" + said.replace("#", "([0-9]+)").replace("%", r"\1") + "$"))
    board.expect_to_fit(run)
    assert violations(run) == []
    no_more_differences(run, after=0)


def order_of(page: Page) -> list[str]:
    names: list[str] = board.cards(page).locator(".mlc-name").all_inner_texts()
    return names


def test_panes_change_places_by_arrow_keys_and_by_dragging(run: Page) -> None:
    before = order_of(run)
    letters = run.locator(".st-key-compare_setup .mlc-order")
    expect(letters).to_have_text(["A", "B", "C", "D"])
    board.focus(letters.nth(0))
    run.keyboard.press("ArrowRight")
    moved = [before[1], before[0], *before[2:]]
    expect(board.cards(run).locator(".mlc-name")).to_have_text(moved)
    expect(letters.nth(1)).to_be_focused()
    run.keyboard.press("ArrowLeft")
    expect(board.cards(run).locator(".mlc-name")).to_have_text(before)
    letters.nth(3).drag_to(letters.nth(1))
    expect(board.cards(run).locator(".mlc-name")).to_have_text([before[0], before[3], before[1], before[2]])
    letters.nth(1).drag_to(letters.nth(3))
    expect(board.cards(run).locator(".mlc-name")).to_have_text(before)


@pytest.mark.parametrize("key", ["1", "4"])
def test_an_answer_that_is_open_closes_by_its_own_number(run: Page, key: str) -> None:
    run.keyboard.press(key)
    expect(bar(run)).to_be_visible()
    assert visible_cards(run) == 1
    run.keyboard.press(key)
    expect(bar(run)).to_have_count(0)


def test_an_answer_is_edited_by_keys_and_the_one_before_is_kept(run: Page) -> None:
    run.keyboard.press("4")
    expect(bar(run)).to_be_visible()
    run.keyboard.press("e")
    editor = run.get_by_role("dialog")
    text = editor.get_by_role("textbox")
    text.fill("Once upon a time.")
    text.press("Control+Enter")
    editor.get_by_role("button", name="Keep").press("Enter")
    expect(editor).to_have_count(0)
    card = board.cards(run).nth(3)
    expect(card).to_contain_text("Once upon a time.")
    expect(card).to_contain_text("2/2")


def test_an_edited_answer_is_continued_by_keys_at_any_width(run: Page) -> None:
    card, editor = board.cards(run).nth(3), run.get_by_role("dialog")
    for width, language in board.LOOKS:
        board.look(run, width, language)
        leave_prompt(run)
        board.press(run, "4", ".mlc-reader")
        board.press(run, "e", "[role=dialog] textarea")
        begun = f"Once upon a time, {width} steps from here,"
        editor.get_by_role("textbox").fill(begun)
        editor.get_by_role("textbox").press("Control+Enter")
        board.expect_to_fit(run)
        assert violations(run) == []
        editor.locator(".st-key-compare_rewrite_go_on button:enabled").press("Enter")
        expect(editor).to_have_count(0)
        expect(card.locator('[class*="st-key-text_"]')).to_contain_text(re.compile(f"{begun}.*[a-z]{{3}}", re.DOTALL))
        run.keyboard.press("x")
        expect(card.locator("[data-state]")).to_have_attribute("data-state", re.compile("stopped|done"))
        run.keyboard.press("Escape")


def test_the_outline_opens_and_leads_into_the_answer_and_escape_goes_back_step_by_step(run: Page) -> None:
    run.keyboard.press("1")
    expect(bar(run)).to_be_visible()
    box = "document.querySelector('[class*=st-key-text_0_]')"
    # Answers were stopped at some moment: one is made long, with headings.
    chapters = "<h2>Near</h2><div style='min-height: 3000px'></div><h2>Far</h2>"
    run.evaluate(
        f"html => {box}.append(Object.assign(document.createElement('div'), {{ id: 'chapters', innerHTML: html }}))",
        chapters,
    )
    run.keyboard.press("o")
    outline = run.locator("nav.mlc-outline")
    expect(outline).to_be_visible()
    assert run.evaluate("document.documentElement.scrollWidth <= innerWidth")
    outline.get_by_role("button", name="Far").press("Enter")
    board.wait_until(run, f"{box}.scrollTop > 1000")
    run.evaluate("document.querySelector('#chapters').remove()")
    run.keyboard.press("Escape")
    expect(outline).to_have_count(0)
    expect(bar(run)).to_be_visible()
    run.keyboard.press("Escape")
    expect(bar(run)).to_have_count(0)


@pytest.mark.parametrize(("key", "title"), [("i", "a closer look"), ("m", "Tags and note")])
def test_details_and_tags_of_the_open_answer_open_by_a_key(run: Page, key: str, title: str) -> None:
    run.keyboard.press("2")
    expect(bar(run)).to_be_visible()
    run.keyboard.press(key)
    expect(run.get_by_role("dialog")).to_contain_text(title)
    run.keyboard.press("Escape")
    expect(run.get_by_role("dialog")).to_have_count(0)


def test_the_open_answer_is_copied_by_a_key(run: Page) -> None:
    run.context.grant_permissions(["clipboard-read", "clipboard-write"])
    run.keyboard.press("1")
    expect(bar(run)).to_be_visible()
    shown = board.cards(run).nth(0).locator('[class*="st-key-text_"]').first.inner_text()
    run.keyboard.press("c")
    board.wait_until(run, "navigator.clipboard.readText().then(text => text.length > 0)")
    copied = run.evaluate("navigator.clipboard.readText()")
    # Of what a model wrote, signs of Markdown are in one and not in the other.
    letters = ["".join(sign for sign in text if sign.isalnum()) for text in (shown, copied)]
    assert letters[0][:20] in letters[1], (shown, copied)


def test_an_explanation_is_shown_by_a_tap(chromium: Browser, answered: str) -> None:
    context = new_context(chromium, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.goto(answered)
    expect(board.cards(page)).to_have_count(4)
    # What listens to taps makes it first; a page that has just come may still scroll, and that puts it away.
    tip = page.locator(".mlc-tip")
    expect(tip).to_be_attached()
    for _ in range(6):
        page.locator(".mlc-figure").first.tap()
        with suppress(AssertionError):
            expect(tip).to_be_visible(timeout=5_000)
            break
    expect(tip).to_contain_text("Tokens")
    context.close()


def test_what_becomes_of_an_answer_is_announced_and_its_attempts_change_by_keys(run: Page) -> None:
    told = run.locator('.mlc-unseen[role="status"][aria-live="polite"]')
    expect(told).to_have_count(1)
    run.keyboard.press("3")
    expect(bar(run)).to_be_visible()
    card = board.cards(run).nth(2)
    run.keyboard.press("r")
    expect(card.locator("[data-state]")).to_have_attribute("data-state", re.compile("running"))
    expect(told).to_have_text(re.compile("^C: writing"))
    run.keyboard.press("x")
    expect(card.locator("[data-state]")).to_have_attribute("data-state", re.compile("stopped|done"))
    expect(told).to_have_text(re.compile("^C: (stopped|done)"))
    expect(card).to_contain_text("2/2")
    run.keyboard.press(",")
    expect(card).to_contain_text("1/2")
    run.keyboard.press(".")
    expect(card).to_contain_text("2/2")
    run.keyboard.press(",")
    expect(card).to_contain_text("1/2")


def test_keys_of_the_page_work_while_a_switch_has_the_focus(run: Page) -> None:
    run.evaluate(
        "() => { const box = document.querySelector('.st-key-compare_fair').appendChild("
        "Object.assign(document.createElement('input'), { type: 'checkbox', id: 'standin' })); box.focus(); }"
    )
    run.keyboard.press("2")
    expect(bar(run)).to_be_visible()
    run.keyboard.press("Escape")
    expect(run.locator("#standin")).to_be_focused()
    run.keyboard.press("/")
    expect(run.get_by_test_id("stChatInputTextArea")).to_be_focused()
    expect(run.get_by_test_id("stChatInputTextArea")).to_have_value("")
    run.evaluate("document.querySelector('#standin').remove()")
