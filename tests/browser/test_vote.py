"""The Vote page in a real browser: nothing tells who wrote what before the vote, and keys alone do everything."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from tests.browser.board import expect_to_fit_any_width, press, wait_until
from tests.browser.conftest import SYSTEM_CHROMIUM
from tests.browser.downloads import downloaded
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations
from tests.ui.compare.test_images import POINT

pytestmark = pytest.mark.skipif(not SYSTEM_CHROMIUM.exists(), reason="needs Chromium")
NAMES = ("zebra-model", "quagga-model", "okapi-sees", "gazelle-sees", "heron-slow", "ibis-slow")
TEXTS = (
    *("It is so because of this.", "It is so.\n\n- one\n- two", "Perhaps it is so.", "Who knows whether it is so?"),
    *("It is so, the heron says, " * 400, "It is not so, the ibis says, " * 400),
)
PROMPTS, MANY_PROMPTS, MANY_S = 4, 30, 300.0


@dataclass(frozen=True)
class Voting:
    """The app, and where it keeps what is set up."""

    address: str
    home: Path
    models: tuple[str, ...]

    def set_up(self, prompts: int = PROMPTS, names: tuple[str, ...] = NAMES[:2]) -> None:
        """Have the next session ask so many prompts of these models, whose answers all stand side by side."""
        own = "\n".join(f"Question {n}?" for n in range(prompts))
        models = [self.models[NAMES.index(name)] for name in names]
        vote = {"prompts": "", "own": own, "models": models, "shown": len(names)}
        kept = {"language": "en", "vote": vote}
        (self.home / "preferences.json").write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture(scope="module")
def voting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voting]:
    """An app with models of which each says something else, and two that take their time."""
    folder = tmp_path_factory.mktemp("scripts")
    models = []
    for name, text in zip(NAMES, TEXTS, strict=True):
        path = folder / f"{name}.json"
        pace = {"tokens_per_second": 5} if name.endswith("-slow") else {}
        path.write_text(json.dumps({"otherwise": text, **pace}), encoding="utf-8")
        models.append(ModelInfo("", name, str(path), ModelType.CUSTOM, 0, {}).id)
    home = tmp_path_factory.mktemp("home")
    with scripted_app(folder, home, MLC_FIRST_MODEL="false") as found:
        yield Voting(found, home, tuple(models))


@pytest.fixture
def address(voting: Voting) -> str:
    """Set up for two models and a few prompts, whatever another test set up."""
    voting.set_up()
    return voting.address


class Listener:
    """All that passes through the websockets of a page, in both directions."""

    def __init__(self, page: Page) -> None:
        self.heard = bytearray()
        page.on("websocket", self._listen)

    def _listen(self, socket: object) -> None:
        for event in ("framereceived", "framesent"):
            socket.on(event, self._hear)  # type: ignore[attr-defined]

    def _hear(self, frame: str | bytes) -> None:
        self.heard += frame if isinstance(frame, bytes) else frame.encode()

    def tells(self, *words: str) -> list[str]:
        return [word for word in words if word.encode() in self.heard]


def open_turn(page: Page) -> None:
    expect(page.locator(".st-key-vote_choose_0 button")).to_be_visible()


def votes_given(page: Page) -> int:
    return int(page.locator("[data-given]").first.get_attribute("data-given") or 0)


def started(context: BrowserContext, address: str) -> str:
    """A session that waits for its first vote; its address."""
    page = context.new_page()
    page.goto(f"{address}/vote?lang=en")
    page.locator(".st-key-vote_start button").wait_for()
    press(page, "Alt+Enter", ".st-key-vote_choose_0 button")
    url = page.url
    page.close()
    return url


@pytest.mark.slow
@pytest.mark.parametrize(("shown", "key"), [(2, "a"), (4, "3")])
def test_before_a_vote_neither_page_nor_address_nor_frames_know_who_wrote_what(
    context: BrowserContext, voting: Voting, shown: int, key: str
) -> None:
    names = NAMES[:shown]
    voting.set_up(names=names)
    url = started(context, voting.address)
    page = context.new_page()
    listener = Listener(page)
    page.goto(url)
    open_turn(page)
    page.wait_for_timeout(1500)
    expect(page.locator('[class*="st-key-vote_card_"]')).to_have_count(shown)
    # As a style says it of one thing; the names of all colours come with every page.
    colours = [tone.css for tone in MODEL_TONES]
    secrets = (*names, *voting.models, "sha256", "contestant")
    assert b"Question" in listener.heard
    assert listener.tells(*secrets, "temperature", "tokens/s", *colours) == []
    body = page.content()
    assert [word for word in secrets if word in body or word in page.url] == []
    state = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert [name for name in names if name in state] == []
    # With the vote all of it comes.
    press(page, key, ".st-key-vote_next button")
    assert all(name in page.content() for name in names)
    assert set(listener.tells(*names)) == set(names)
    # And what is known now is not said again of the next turn.
    listener.heard.clear()
    press(page, "n", ".st-key-vote_choose_0 button")
    page.wait_for_timeout(1500)
    assert listener.tells(*names, *colours) == []
    assert [name for name in names if name in page.content()] == []


@pytest.mark.slow
def test_while_answers_are_written_one_clock_runs_and_frames_know_neither_authors_nor_texts(
    context: BrowserContext, voting: Voting
) -> None:
    voting.set_up(1, NAMES[4:])
    page = context.new_page()
    page.goto(f"{voting.address}/vote?lang=en")
    page.locator(".st-key-vote_start button").wait_for()
    press(page, "Alt+Enter", "[data-vote-clock]")
    other = context.new_page()
    listener = Listener(other)
    other.goto(page.url)
    page.close()
    clock = other.locator("[data-vote-clock]")
    expect(clock).to_have_count(1)
    before = clock.inner_text()
    expect(clock).not_to_have_text(before)
    other.wait_for_timeout(1500)
    assert b"Question" in listener.heard
    secrets = (*NAMES[4:], *voting.models[4:], "sha256", "contestant", "the heron", "the ibis")
    assert listener.tells(*secrets, "temperature", "tokens/s", *(tone.css for tone in MODEL_TONES)) == []
    assert [word for word in secrets if word in other.content() or word in other.url] == []
    other.locator(".st-key-vote_stop button").click()
    expect(other.locator('[data-vote="stopped"]')).to_be_visible()


@pytest.mark.slow
def test_a_session_is_voted_through_by_keys_and_ranked(context: BrowserContext, address: str, tmp_path: Path) -> None:
    page = context.new_page()
    page.goto(started(context, address))
    for number, key in enumerate("abtx", 1):
        open_turn(page)
        press(page, key, ".st-key-vote_next button")
        expect(page.locator(f'[data-given="{number}"]')).to_be_visible()
        press(page, "n", ".st-key-vote_choose_0 button, .st-key-vote_see_ranking button")
    expect(page.locator('[data-vote="done"]')).to_be_visible()
    press(page, "n", ".js-plotly-plot")
    expect(page.locator(".mlc-verdict")).to_contain_text("undecided")
    expect(page.get_by_text(re.compile("4 votes, 2 of them ties, 1 of these"))).to_be_visible()
    page.locator(".st-key-vote_export button").first.click()
    rows = list(csv.DictReader(io.StringIO(downloaded(page, ("CSV",), tmp_path)["CSV"])))
    assert [row["outcome"] for row in rows[4:]] == ["tie", "tie", "bad", "bad"]


def hide_authors(page: Page) -> None:
    """By the mouse: the switch has the focus afterwards."""
    switch = page.locator('[class*="st-key-vote_reveal_"]')
    switch.locator("label").first.click()
    expect(switch.locator("input")).not_to_be_checked()
    expect(switch.locator("input")).to_be_focused()


@pytest.mark.slow
def test_where_authors_are_not_shown_a_vote_is_one_key_and_the_next_pair_is_there(
    context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    page.goto(started(context, address))
    open_turn(page)
    hide_authors(page)
    for number, key in enumerate("abtx", 1):
        press(page, key, f'[data-given="{number}"]')
        expect(page.locator(".st-key-vote_next button")).to_have_count(0)
    expect(page.locator('[data-vote="done"]')).to_be_visible()


@pytest.mark.slow
def test_a_switch_that_has_the_focus_takes_its_own_keys_and_leaves_votes_to_the_page(
    context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    page.goto(started(context, address))
    open_turn(page)
    hide_authors(page)
    switch = page.locator('[class*="st-key-vote_reveal_"] input')
    page.keyboard.press("Space")
    expect(switch).to_be_checked()
    expect(page.locator('[data-given="0"]')).to_be_visible()
    press(page, "b", ".st-key-vote_next button")
    press(page, "n", ".st-key-vote_choose_0 button")
    expect(page.locator('[data-given="1"]')).to_be_visible()


@pytest.mark.slow
def test_thirty_votes_are_given_by_thirty_keys_within_five_minutes(context: BrowserContext, voting: Voting) -> None:
    voting.set_up(MANY_PROMPTS)
    page = context.new_page()
    page.goto(started(context, voting.address))
    open_turn(page)
    hide_authors(page)
    begun = monotonic()
    while (given := votes_given(page)) < MANY_PROMPTS:
        open_turn(page)
        # Pressed again only where it was not heard: on a slow machine a second press would be the next turn's vote.
        page.keyboard.press("abtx"[given % 4])
        with suppress(AssertionError):
            expect(page.locator(f'[data-given="{given}"]')).to_have_count(0, timeout=10_000)
        assert monotonic() - begun < MANY_S
    print(f"{MANY_PROMPTS} votes by keys took {monotonic() - begun:.1f} s")
    expect(page.locator('[data-vote="done"]')).to_be_visible()


@pytest.mark.slow
def test_prompts_are_asked_about_an_image_which_stands_above_the_answers(
    context: BrowserContext, voting: Voting, tmp_path: Path
) -> None:
    voting.set_up(1, NAMES[1:3])
    image = tmp_path / "point.png"
    image.write_bytes(image_bytes(POINT))
    page = context.new_page()
    page.goto(f"{voting.address}/vote?lang=en")
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(image)
    expect(page.locator(".st-key-vote_images_chosen img")).to_be_visible()
    expect(page.get_by_text(re.compile(f"{NAMES[1]}.* cannot see images"))).to_be_visible()
    expect(page.locator(".st-key-vote_start button")).to_be_disabled()
    voting.set_up(1, NAMES[2:4])
    page.goto(f"{voting.address}/vote?lang=en")
    page.locator('[data-testid="stFileUploader"] input[type="file"]').set_input_files(image)
    expect(page.locator(".st-key-vote_images_chosen img")).to_be_visible()
    page.locator(".st-key-vote_start button:enabled").press("Enter")
    open_turn(page)
    shown = page.locator('[data-testid="stImage"] img')
    expect(shown).to_have_count(1)
    wait_until(page, "document.querySelector('[data-testid=stImage] img').naturalWidth > 0")
    press(page, "a", ".st-key-vote_next button")
    expect(shown).to_have_count(1)


@pytest.mark.slow
def test_an_open_turn_its_authors_and_the_ranking_have_no_serious_violation(
    context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    page.goto(started(context, address))
    open_turn(page)
    page.wait_for_timeout(1000)
    assert violations(page) == []
    press(page, "a", ".st-key-vote_next button")
    page.wait_for_timeout(1000)
    assert violations(page) == []
    page.get_by_role("radio", name="Ranking").click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    page.wait_for_timeout(1000)
    assert violations(page) == []


@pytest.mark.slow
def test_a_link_shows_the_votes_without_the_app_around_them(context: BrowserContext, address: str) -> None:
    page = context.new_page()
    page.goto(started(context, address))
    open_turn(page)
    press(page, "a", ".st-key-vote_next button")
    page.locator(".st-key-vote_export button").first.press("Enter")
    page.locator("summary", has_text="Share by a link").press("Enter")
    page.locator("[class*='st-key-share_make'] button").press("Enter")
    link = page.locator("[class*='st-key-share_link'] code").inner_text()
    other = context.new_page()
    answer = other.goto(link)
    assert answer is not None and answer.status == 200
    expect(other.get_by_text("was better").first).to_be_visible()
    assert other.locator("script, iframe, form, a[href]").count() == 0
    page.locator("[class*='st-key-share_take_back'] button").press("Enter")
    expect(page.locator("[class*='st-key-share_link'] code")).to_have_count(0)
    gone = other.goto(link)
    assert gone is not None and gone.status == 404


@pytest.mark.slow
@pytest.mark.parametrize(("width", "language"), [(390, "zh"), (800, "en")])
def test_the_page_fits_its_window(context: BrowserContext, address: str, width: int, language: str) -> None:
    url = started(context, address)
    page = context.new_page()
    page.emulate_media(color_scheme="dark" if language == "zh" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{url}&lang={language}")
    open_turn(page)
    expect_to_fit_any_width(page)
    for place in range(2):
        card = page.locator(f".st-key-vote_card_{place}").bounding_box()
        assert card is not None and card["width"] > (300 if width > 390 else 250)
    # Votes stay in reach beneath answers that are longer than the window.
    page.set_viewport_size({"width": width, "height": 360})
    expect(page.locator(".st-key-vote_choices")).to_be_in_viewport(ratio=0.5)
    page.set_viewport_size({"width": width, "height": 800})
    press(page, "a", ".st-key-vote_next button")
    expect_to_fit_any_width(page)
    page.locator('[class*="st-key-vote_view_"] [role="radio"]').nth(1).click()
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    expect_to_fit_any_width(page)
