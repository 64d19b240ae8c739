"""What a person sees and does on the Compare page, in the words of its tests."""

from __future__ import annotations

import re
from contextlib import suppress
from time import monotonic

from playwright.sync_api import ConsoleMessage, Locator, Page, TimeoutError, expect

from multi_llm_comparator.core.readable import Language

# Four model processes import their libraries at the same time.
LOADING_MS = 600_000
WAITING_S = 120.0
# Of a desk, a tablet and a phone, in pixels.
WIDTHS = (1280, 800, 390)
# How a page is looked at where both languages count: how wide, and in which of them.
LOOKS: tuple[tuple[int, Language], ...] = ((1280, "en"), (800, "zh"), (390, "zh"))
CLICK_MS, STOPPING_MS = 3_000, 20_000
LIVE = re.compile("queued|loading|prefill|running")


def look(page: Page, width: int, language: Language) -> None:
    """Look at a page in another width; in another language it is opened anew, by its address."""
    page.set_viewport_size({"width": width, "height": 900})
    if f"lang={language}" not in page.url:
        page.goto(re.sub(r"lang=\w+", f"lang={language}", page.url))


def ask(page: Page, prompt: str) -> None:
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(prompt)
    box.press("Enter")


def cards(page: Page, turn: int = 0) -> Locator:
    return page.locator(f'[class*="st-key-card_{turn}_"]')


def states(page: Page, turn: int = 0) -> Locator:
    return cards(page, turn).locator("[data-state]")


def expect_states(page: Page, state: str | re.Pattern[str], count: int = 4, turn: int = 0) -> None:
    for index in range(count):
        expect(states(page, turn).nth(index)).to_have_attribute("data-state", state)


def texts(page: Page, turn: int = 0, count: int = 4) -> list[str]:
    """What each answer says. A card's state is on the page a moment before its text is."""
    found = cards(page, turn).locator('[class*="st-key-text_"]')
    expect(found).to_have_count(count)
    return found.all_inner_texts()


def lengths(page: Page, turn: int = 0) -> list[int]:
    """How long the answers are, in characters."""
    return [len(text) for text in texts(page, turn)]


def expect_all_to_grow(page: Page, turn: int = 0) -> None:
    """Every answer on the page gets longer, all within the same stretch of time."""
    expect_longer(page, lengths(page, turn), turn=turn)


def expect_longer(page: Page, before: list[int], *, turn: int = 0, first: int = 0) -> None:
    """The answers, from the ``first`` pane on, come to be longer than ``before``, all of them at one moment."""
    wait_until(
        page,
        """([turn, first, before]) => {
          const texts = [...document.querySelectorAll(`[class*="st-key-card_${turn}_"] [class*="st-key-text_"]`)];
          return texts.length === before.length
            && texts.slice(first).every((text, i) => text.innerText.length > before[i + first]);
        }""",
        [turn, first, before],
    )


def warm_up(page: Page) -> None:
    """Have all four models in memory, so that they write at the same time from now on."""
    ask(page, "Hello")
    for index in range(4):
        expect(cards(page).nth(index).locator('[class*="st-key-text_"] p').first).to_be_visible(timeout=LOADING_MS)
    stop_all(page)
    expect_states(page, re.compile("stopped|done"))
    page.locator(".st-key-compare_new button").click()
    expect(page.locator(".mlc-hero")).to_be_visible()


def keys_work(page: Page) -> None:
    """Wait for what listens to the keys of the Compare page: a key that comes before is lost. It says what it does in a
    place that it makes first."""
    expect(page.locator('.mlc-unseen[role="status"][aria-live="polite"]')).to_have_count(1)


def press(page: Page, key: str, shown: str) -> None:
    """A key that brings something else; pressed again where the page had not been ready for it."""
    place = page.locator(shown)
    for _ in range(6):
        page.keyboard.press(key)
        with suppress(AssertionError):
            expect(place.first).to_be_visible(timeout=10_000)
            return
    expect(place.first).to_be_visible()


def press_away(page: Page, key: str, place: Locator) -> None:
    """A key that takes something away; pressed again where it was just drawn anew, and had not heard it."""
    for _ in range(6):
        page.keyboard.press(key)
        with suppress(AssertionError):
            expect(place).to_have_count(0, timeout=10_000)
            return
    expect(place).to_have_count(0)


def focus(place: Locator) -> None:
    """Give something the focus once it is seen: what is hidden takes none, and to ask for it waits for nothing."""
    expect(place).to_be_visible()
    place.focus()
    expect(place).to_be_focused()


def wait_until(page: Page, script: str, argument: object = None) -> None:
    """Until a script says yes. Playwright's own way evaluates it within the page, which the pages' policy forbids."""
    until = monotonic() + WAITING_S
    while not page.evaluate(script, argument):
        assert monotonic() < until, f"it has not come to be: {script}"
        page.wait_for_timeout(100)


def expect_to_fit(page: Page) -> None:
    """Nothing is wider than the page, once all of it is drawn."""
    wait_until(page, "document.documentElement.scrollWidth <= window.innerWidth")


def expect_to_fit_any_width(page: Page) -> None:
    """Nothing of the page is wider than a desk, a tablet or a phone has room for. It ends as wide as it was."""
    before = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        expect_to_fit(page)
    if before is not None:
        page.set_viewport_size(before)


def stop_all(page: Page) -> None:
    """Stop whatever still runs. The button goes when all has ended, maybe while it is clicked: then look again."""
    live = page.locator(", ".join(f'[data-state="{state}"]' for state in LIVE.pattern.split("|")))
    while live.count():
        with suppress(TimeoutError, AssertionError):
            page.locator(".st-key-compare_stop_all button").click(timeout=CLICK_MS)
            expect(live).to_have_count(0, timeout=STOPPING_MS)


def policy_complaints(page: Page) -> list[str]:
    """What the browser says from now on of things that the policy of a page forbids."""
    said: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            said.append(message.text)

    page.on("console", listen)
    return said
