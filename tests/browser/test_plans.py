"""The Plans page in a real browser: a plan is watched while it is written and solved. Models are scripted, so that
what is to be seen lasts long enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from multi_llm_comparator.plans.parse import parse_plan
from tests.browser.board import expect_to_fit, wait_until
from tests.browser.conftest import new_context
from tests.browser.downloads import downloaded
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations

QUESTION = "Which of the two offers should we take?"
# The planner writes its plan and then goes on and on: it is at work for as long as somebody looks.
ENDLESS = "Which of the two offers should we take? Think patiently."
STEPS = (
    ("List the costs of the first offer.", 2, ""),
    ("List the costs of the second offer.", 3, ""),
    ("Find the risks of both offers.", 7, ""),
    ("Compare {1} with {2}.", 6, "1,2"),
    ("Recommend one offer from {4} and {3}.", 8, "3,4"),
)
PLAN = "\n".join(
    f'<Step ID="{number}" Task="{task}" Difficulty="{difficulty}" Token="200" Rely="{rely}"/>'
    for number, (task, difficulty, rely) in enumerate(STEPS, 1)
)
COSTS = "It costs 120 a month and 300 once, which makes 3,180 in two years, without the discount for new customers."
WAIT_FOR_END_MS = 300_000


def write_scripts(folder: Path) -> None:
    scripts: dict[str, dict[str, Any]] = {
        "demo-planner": {
            "answers": [{"pattern": "patiently", "text": f"<Plan>\n{PLAN}\n</Plan>" + " and so on" * 2000}],
            "otherwise": f"<Plan>\n{PLAN}\n</Plan>",
            "tokens_per_second": 18,
        },
        "demo-small": {"otherwise": COSTS, "tokens_per_second": 6, "time_to_first_token_s": 0.5},
        "demo-large": {
            "answers": [{"pattern": "Recommend", "text": "Take the second offer."}],
            "otherwise": COSTS,
            "tokens_per_second": 12,
        },
    }
    for name, script in scripts.items():
        (folder / f"{name}.json").write_text(json.dumps(script), encoding="utf-8")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with scripted models, and a home of its own."""
    scripts = tmp_path_factory.mktemp("scripts")
    write_scripts(scripts)
    home = tmp_path_factory.mktemp("home")
    with scripted_app(scripts, home) as served:
        yield f"{served}/plans?lang=en"


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


def state(page: Page) -> Any:
    return page.locator(".mlc-plan-status [data-run-state]")


def bars(page: Page, chart: str = "plans_gantt") -> Any:
    # What took a few milliseconds of many seconds is there too, without any width.
    return page.locator(f".st-key-{chart} .barlayer .point:visible")


def lanes(page: Page, chart: str = "plans_gantt") -> Any:
    return page.locator(f".st-key-{chart} .ytick")


def expect_end(page: Page) -> None:
    expect(state(page)).to_have_attribute("data-run-state", "done", timeout=WAIT_FOR_END_MS)


@pytest.fixture(scope="module")
def done(chromium: Browser, address: str) -> str:
    """The address of a run that is over; all models are in memory from then on."""
    context = new_context(chromium)
    page = context.new_page()
    page.goto(address)
    ask(page)
    expect(state(page)).to_be_visible()
    expect_end(page)
    url = page.url
    context.close()
    return url


@pytest.fixture
def finished(blank: Page, done: str) -> Page:
    """The run that is over."""
    blank.goto(done)
    return blank


def stop(page: Page) -> None:
    page.locator(".st-key-plans_stop button").click()
    expect(state(page)).to_have_attribute("data-run-state", "stopped")


def test_bars_appear_before_the_plan_is_complete(done: str, page: Page) -> None:
    ask(page, ENDLESS)
    expect(bars(page).nth(2)).to_be_visible()
    expect(lanes(page)).to_have_count(1 + len(STEPS))
    expect(page.locator(".st-key-plans_gantt")).to_contain_text("It costs 120 a month")
    expect(state(page)).to_have_attribute("data-run-state", "planning")
    stop(page)


def test_a_reload_in_mid_run_finds_it_at_work_and_what_is_stopped_goes_on(done: str, page: Page) -> None:
    ask(page, ENDLESS)
    expect(state(page)).to_have_attribute("data-run-state", "planning")
    expect(lanes(page).nth(1)).to_be_visible()
    expect(page).to_have_url(re.compile("run="))
    address = page.url
    page.reload()
    expect(state(page)).to_have_attribute("data-run-state", "planning")
    expect(lanes(page)).to_have_count(1 + len(STEPS))
    expect(page).to_have_url(address)
    stop(page)
    page.get_by_role("button", name="Resume").click()
    expect(state(page)).to_have_attribute("data-run-state", "planning")
    stop(page)


def test_a_run_is_made_again_otherwise_and_both_charts_share_one_clock(finished: Page) -> None:
    page = finished
    expect_end(page)
    page.get_by_label("Hard from").fill("1")
    page.get_by_label("Hard from").press("Enter")
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="The same plan").click()
    expect(page.locator(".mlc-plan-caption")).to_have_count(2)
    expect(page.locator(".mlc-plan-caption").first).to_contain_text("hard from 1")
    expect(page.locator(".mlc-plan-caption").nth(1)).to_contain_text("hard from 5")
    expect_end(page)
    expect(lanes(page, "plans_gantt_other")).to_have_count(1 + len(STEPS))
    wait_until(
        page,
        """names => new Set(names.map(
          name => document.querySelector(`.st-key-${name} .js-plotly-plot`)?.layout.xaxis.range[1] ?? name
        )).size === 1""",
        ["plans_gantt", "plans_gantt_other"],
    )


def shown_time(page: Page) -> list[list[float]]:
    """From where to where the charts' time axes go, in thousandths of a second."""
    shown: list[list[float]] = page.evaluate(
        """() => ["plans_gantt", "plans_gantt_other"].map((name) =>
          document.querySelector(`.st-key-${name} .js-plotly-plot`)._fullLayout.xaxis.range
            .map((x) => Math.round(1000 * x)))"""
    )
    return shown


def test_a_stretch_of_time_stays_zoomed_while_the_run_goes_on_in_both_charts(finished: Page) -> None:
    page = finished
    expect_end(page)
    page.get_by_role("button", name="Run again").click()
    page.get_by_role("button", name="The same plan").click()
    expect(lanes(page, "plans_gantt_other")).to_have_count(1 + len(STEPS))
    expect(lanes(page)).to_have_count(len(STEPS))
    chart = page.locator(".st-key-plans_gantt .js-plotly-plot").bounding_box()
    assert chart is not None
    middle = chart["y"] + chart["height"] / 2
    page.mouse.move(chart["x"] + 0.5 * chart["width"], middle)
    page.mouse.down()
    page.mouse.move(chart["x"] + 0.7 * chart["width"], middle, steps=5)
    page.mouse.up()
    wait_until(
        page, "() => document.querySelector('.st-key-plans_gantt_other .js-plotly-plot')._fullLayout.xaxis.range[0] > 0"
    )
    zoomed = shown_time(page)
    assert zoomed[0] == zoomed[1]
    expect_end(page)
    assert shown_time(page) == zoomed
    page.mouse.dblclick(chart["x"] + 0.6 * chart["width"], middle)
    wait_until(
        page,
        "() => document.querySelector('.st-key-plans_gantt_other .js-plotly-plot')._fullLayout.xaxis.range[0] === 0",
    )
    (start, end), other = shown_time(page)
    assert (start, end) == tuple(other)
    assert end > zoomed[0][1]


def test_a_step_is_solved_again_and_the_run_as_it_was_stands_beneath(finished: Page) -> None:
    page = finished
    expect_end(page)
    expect_step(page, 5)
    before = page.url
    page.get_by_role("button", name="Solve again").click()
    expect(page.locator(".mlc-plan-caption")).to_have_count(2)
    expect(page.locator(".st-key-plans_gantt")).to_contain_text("paused")
    expect(lanes(page, "plans_gantt_other")).to_have_count(1 + len(STEPS))
    expect_end(page)
    expect_step(page, 5)
    expect(page.locator(".st-key-plans_gantt")).to_contain_text("It costs 120 a month")
    assert page.url != before


def place_of_bar(page: Page, lane: int) -> tuple[float, float]:
    """The middle of the last bar in a lane, in pixels of the page."""
    x, y = page.locator(".st-key-plans_gantt .js-plotly-plot").evaluate(
        """(chart, lane) => {
          const bars = chart._fullData.filter((t) => t.type === "bar" && t.base)
            .flatMap((t) => t.y.map((y, i) => [y, t.base[i] + t.x[i] / 2])).filter(([y]) => y === lane);
          const { xaxis, yaxis } = chart._fullLayout, box = chart.getBoundingClientRect();
          const middle = Math.max(...bars.map(([, x]) => x));
          return [box.left + xaxis._offset + xaxis.l2p(middle), box.top + yaxis._offset + yaxis.l2p(lane)];
        }""",
        lane,
    )
    return x, y


def expect_step(page: Page, number: int) -> None:
    task, difficulty, _ = STEPS[number - 1]
    expect(page.get_by_role("combobox", name="Step")).to_have_value(f"{number} · {task}")
    expect(page.locator(".mlc-facts")).to_contain_text(f"{difficulty} / 10")


def test_a_click_in_the_chart_or_in_the_graph_shows_a_step(finished: Page) -> None:
    page = finished
    expect(bars(page).nth(2)).to_be_visible()
    bar = place_of_bar(page, lane=4)
    page.mouse.move(*bar)
    expect(page.locator(".st-key-plans_gantt .hovertext")).to_contain_text("needs: 1, 2")
    page.mouse.click(*bar)
    expect_step(page, 4)
    page.locator(".st-key-plans_graph .textpoint", has_text=re.compile("^2$")).first.click(force=True)
    expect_step(page, 2)


def test_an_edited_plan_runs_beside_the_one_it_came_from(finished: Page) -> None:
    page = finished
    page.get_by_role("button", name="Edit plan").click()
    editor = page.get_by_role("dialog")
    plan = editor.get_by_label("Plan", exact=True)
    plan.fill("<Plan><Step ID='1'/></Plan>")
    plan.press("Control+Enter")
    expect(editor.get_by_role("alert")).to_contain_text("A step lacks something")
    expect(editor.get_by_role("button", name="Run this plan")).to_be_disabled()
    plan.fill('<Plan><Step ID="1" Task="Recommend one." Difficulty="9" Token="50" Rely=""/></Plan>')
    plan.press("Control+Enter")
    editor.get_by_role("button", name="Run this plan").click()
    expect(editor).to_have_count(0)
    expect(lanes(page)).to_have_count(1)
    expect(lanes(page, "plans_gantt_other")).to_have_count(1 + len(STEPS))
    expect_end(page)


def test_a_run_is_exported_in_all_formats(finished: Page, tmp_path: Path) -> None:
    page = finished
    page.locator(".st-key-plans_export button").first.click()
    files = downloaded(page, ("HTML", "SVG", "XML", "JSON"), tmp_path)
    assert "Take the second offer." in files["HTML"] and "<script" not in files["HTML"]
    assert files["SVG"].startswith("<svg")
    assert len(parse_plan(files["XML"]).steps) == len(STEPS)
    assert json.loads(files["JSON"])["run"]["answer"] == "Take the second offer."


def test_a_past_run_is_found_and_opened(page: Page, done: str) -> None:
    page.get_by_role("button", name="Runs").click()
    page.get_by_placeholder("Search titles, prompts and answers").fill("offers")
    page.get_by_placeholder("Search titles, prompts and answers").press("Enter")
    rows = page.locator('[class*="st-key-plans_runs_row_"]')
    expect(rows.first).to_contain_text(QUESTION)
    rows.last.get_by_role("button", name="Open").click()
    expect(state(page)).to_be_visible()
    expect(page).to_have_url(re.compile("run="))


def test_nothing_stands_out_of_the_page(finished: Page) -> None:
    page = finished
    expect(bars(page).first).to_be_visible()
    for width in (1280, 800):
        page.set_viewport_size({"width": width, "height": 900})
        expect_to_fit(page)
        page.wait_for_timeout(1000)
        assert violations(page) == []
