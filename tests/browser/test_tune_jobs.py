"""Several jobs on the Tune page in a real browser: a data set of the Hub, a grid in a queue, a copy, votes learnt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from multi_llm_comparator.core.models import ModelInfo, ModelType
from tests.browser.board import press
from tests.browser.scripted import scripted_app
from tests.browser.test_vote import started
from tests.browser.tuning import (
    JOB_MS,
    button,
    expect_state,
    figure,
    pick,
    state,
    tuning_app,
    wait_for_steps,
    with_demo_small,
)
from tests.support.hub_server import HubServer, serving

pytestmark = pytest.mark.slow
ROWS = [{"prompt": f"What is {n} + {n + 7}?", "completion": f"{2 * n + 7} (Source: sums.)"} for n in range(11, 35)]
RATES = ("0.001", "0.002", "0.004")
WRITERS = {"short-writer": "Yes.", "long-writer": "Yes, and that at some length, with a reason or two."}
PROMPTS = 6


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the small demo model, and a Hub of its own that has one data set."""
    lines = "\n".join(map(json.dumps, ROWS)).encode()
    files = {"data/train.jsonl": lines, "README.md": b"# Sums"}
    with (
        serving(HubServer({"org/sums": files})) as hub,
        tuning_app(tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("models"), HF_ENDPOINT=hub.url) as found,
    ):
        yield f"{found}/tune?lang=en"


def test_a_grid_on_data_of_the_hub_waits_in_line_ends_in_one_table_and_is_set_up_again(
    context: BrowserContext, address: str
) -> None:
    page = context.new_page()
    page.goto(address)
    _take_from_the_hub(page)
    _try_rates(page)
    page.locator(".st-key-tune_start button").click()
    expect(state(page)).to_be_visible()
    _move_the_last_one_up(page)
    _see_one_table(page)

    button(page, "duplicate").click()
    expect(page.get_by_role("heading", name="New tuning")).to_be_visible()
    chosen = page.locator(".st-key-tune_block_preset")
    expect(chosen).to_contain_text("2 × through the data")
    expect(chosen).to_contain_text("rate 0.001")
    _fill_option(page, "Rank", "4")
    expect(chosen).to_contain_text("rank 4")
    page.locator(".st-key-tune_start button").click()
    wait_for_steps(page)
    expect_state(page, "done")


def _take_from_the_hub(page: Page) -> None:
    """By its name; one that is not there is said."""
    pick(page, "data", "Hub")
    name = page.get_by_role("textbox", name="A data set of the Hub")
    name.fill("org/none")
    name.press("Enter")
    expect(page.get_by_text("no dataset 'org/none'")).to_be_visible()
    name.fill("org/sums")
    name.press("Enter")
    expect(page.locator(".mlc-tune-tokens .mlc-learnt").first).to_be_visible()
    expect(figure(page, "cleaning", "rows read")).to_have_text(str(len(ROWS)))


def _try_rates(page: Page) -> None:
    """Twice through the data, with three rates."""
    _fill_option(page, "Times through the data", "2")
    page.locator(".st-key-tune_grid button").first.click()
    rates = page.get_by_role("textbox", name="Rates")
    rates.fill(", ".join(RATES))
    rates.press("Enter")
    expect(page.locator(".st-key-tune_start button")).to_contain_text("3 jobs")
    page.keyboard.press("Escape")
    expect(page.locator(".st-key-tune_start button")).to_be_enabled()


def _fill_option(page: Page, name: str, value: str) -> None:
    page.locator(".st-key-tune_options button").first.click()
    box = page.get_by_role("spinbutton", name=name, exact=True)
    box.fill(value)
    box.press("Enter")
    page.keyboard.press("Escape")


def _move_the_last_one_up(page: Page) -> None:
    """The first job is at work, two wait behind it; the third comes before the second."""
    titles = page.locator(".st-key-tune_queue .mlc-row-title")
    expect(titles).to_have_count(3)
    before = titles.all_inner_texts()
    expect(page.locator('.st-key-tune_queue [data-run-state="queued"]')).to_have_count(2)
    page.locator('.st-key-tune_queue [class*="st-key-icon_tune_up_"] button').last.click()
    expect(titles).to_have_text([before[0], before[2], before[1]])


def _see_one_table(page: Page) -> None:
    """One column for each job, with what differs and how it ended."""
    table = page.locator(".mlc-grid").last
    expect(table.locator("thead th")).to_have_count(1 + len(RATES))
    expect(table.locator('[data-run-state="done"]')).to_have_count(len(RATES), timeout=JOB_MS)
    expect(table.locator("tr", has_text="Learning rate").locator("b")).to_have_text(list(RATES))


@pytest.fixture(scope="module")
def voting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with two models to vote on, and one that can learn from the votes."""
    scripts, home = tmp_path_factory.mktemp("scripts"), tmp_path_factory.mktemp("home")
    writers = []
    for name, text in WRITERS.items():
        script = scripts / f"{name}.json"
        script.write_text(json.dumps({"otherwise": text}), encoding="utf-8")
        writers.append(ModelInfo("", name, str(script), ModelType.CUSTOM, script.stat().st_size).id)
    own = "\n".join(f"Is {n} more than {n - 3}?" for n in range(10, 10 + PROMPTS))
    kept = {"language": "en", "vote": {"prompts": "", "own": own, "models": writers}}
    (home / "preferences.json").write_text(json.dumps(kept), encoding="utf-8")
    with_demo_small(home / "models")
    with scripted_app(scripts, home, MLC_FIRST_MODEL="false") as found:
        yield found


def test_votes_are_learnt_as_pairs_of_answers(context: BrowserContext, voting: str, tmp_path: Path) -> None:
    page = context.new_page()
    page.goto(started(context, voting))
    for _ in range(PROMPTS):
        press(page, "a", ".st-key-vote_next button")
        press(page, "n", ".st-key-vote_choose_0 button, .st-key-vote_see_ranking button")
    press(page, "n", ".js-plotly-plot")
    page.locator('[class*="st-key-vote_train_"] button').first.click()
    expect(page.get_by_role("heading", name="New tuning")).to_be_visible()
    expect(page.locator(".st-key-tune_block_data")).to_contain_text("pairs of answers")
    expect(page.locator(".st-key-tune_use_dpo")).to_have_count(0)
    start = page.locator(".st-key-tune_start button")
    expect(start).to_be_enabled()
    start.click()
    wait_for_steps(page)
    expect_state(page, "done")
    expect(page.locator(".st-key-tune_losses .js-line").first).to_be_attached()
