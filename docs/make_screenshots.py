"""Makes the pictures of the documentation: starts the app in a home of its own and looks at it with Chromium.

    python docs/make_screenshots.py [--out docs/screenshots] [--only NAME ...] [--instructions FILE]

Needs the demo models (``python -m demo.prepare``) and what the browser tests need. Models are those of the checkout,
SmolLM2-135M-Instruct among them where it is there. A tuning on instructions is looked at only where there is a file of
them; it takes minutes.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
SYSTEM_CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 300_000
SETTLE_MS = 1500
TUNING_MS = 1_800_000
# So many rows of a file of instructions, so many times.
INSTRUCTIONS, TIMES = "200", "1"
PLAN_EXAMPLES = ("expression", "legs", "smallest", "letters", "units", "planets")


@dataclass(frozen=True)
class Look:
    """How a page is looked at, and what is done on it before. ``wants_best``: with the plan that pays most in time."""

    name: str
    path: str
    width: int = 1280
    height: int = 900
    dark: bool = False
    language: str = "en"
    act: Callable[[Page], None] | None = None
    wants_best: bool = False


@contextmanager
def running_app() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as home, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "app.py", "--port", str(port), "--no-browser"]
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, "MLC_HOME": home}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def take(browser: Browser, address: str, look: Look, out: Path, act: Callable[[Page], None] | None) -> None:
    context = browser.new_context(
        viewport={"width": look.width, "height": look.height},
        color_scheme="dark" if look.dark else "light",
        locale="en-US",
        timezone_id="UTC",
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{address}{look.path}?lang={look.language}")
    page.locator("[data-testid=stHeading]").first.wait_for()
    if act is not None:
        act(page)
    page.locator("[data-testid=stSkeleton]").first.wait_for(state="detached")
    page.wait_for_timeout(SETTLE_MS)
    page.screenshot(path=out / f"{look.name}.png")
    context.close()


def answer(page: Page, example: str) -> None:
    """Ask an example and wait until all four have answered; the fourth pane comes when its model has been made."""
    page.locator(".st-key-pane_row_3").wait_for()
    page.locator(f".st-key-compare_example_{example} button").click()
    page.locator('[data-state="done"]').nth(3).wait_for()
    page.locator(".js-plotly-plot").wait_for()


def look_closer(page: Page, example: str, key: str, shown: str) -> None:
    """Ask, leave the prompt box, and press a key that shows something."""
    answer(page, example)
    page.keyboard.press("Escape")
    page.keyboard.press(key)
    page.locator(shown).first.wait_for()


def look_at_tokens(page: Page, example: str) -> None:
    """Ask, open the first answer's tokens, and go to its third unsure one."""
    page.locator(".st-key-pane_row_3").wait_for()
    answer(page, example)
    page.locator('[class*="st-key-icon_tokens_"] button').first.click()
    page.locator(".tokens .token").first.wait_for()
    for _ in range(3):
        page.keyboard.press("n")


def solve(page: Page, example: str) -> None:
    """Have an example planned and solved; wait for the end, and for the charts."""
    page.locator(f".st-key-plans_example_{example} button").click()
    page.locator('[data-run-state="done"]').wait_for()
    page.locator(".js-plotly-plot").nth(1).wait_for()


def vote(page: Page, *, until_ranked: bool) -> None:
    """Begin the example; then give every vote by the key of the shorter answer, and look at the ranking."""
    page.locator(".st-key-vote_example button").click()
    is_open, is_over = page.locator(".st-key-vote_choose_0 button"), page.locator(".st-key-vote_see_ranking button")
    is_open.or_(is_over).first.wait_for()
    while until_ranked and is_open.count():
        first, second = (len(page.locator(f".st-key-vote_card_{place}").inner_text()) for place in range(2))
        page.locator(f".st-key-vote_choose_{'tie' if first == second else int(second < first)} button").click()
        page.locator(".st-key-vote_next button").click()
        is_open.or_(is_over).first.wait_for()
    if until_ranked:
        is_over.click()
        page.locator(".js-plotly-plot").wait_for()


def tune(page: Page) -> None:
    """Start the example as it is set up, and wait for the end."""
    page.locator(".st-key-tune_start button:enabled").click()
    page.locator('[data-run-state="done"]').first.wait_for(timeout=TUNING_MS)
    page.locator(".mlc-tune-answer").first.wait_for()


def tune_on(page: Page, instructions: Path) -> None:
    """Tune on the first rows of a file on this machine, once through."""
    block = page.locator(".st-key-tune_block_data")
    block.get_by_test_id("stButtonGroup").get_by_text("On this machine", exact=True).click()
    place = block.get_by_role("textbox").first
    place.fill(str(instructions.absolute()))
    place.press("Enter")
    rows = page.locator('[class*="st-key-tune_max_rows_"] input')
    rows.fill(INSTRUCTIONS)
    rows.press("Enter")
    read = page.locator(".st-key-tune_block_cleaning .mlc-figure", has_text="rows read")
    read.locator("b", has_text=re.compile(f"^{INSTRUCTIONS}$")).wait_for()
    page.locator(".st-key-tune_options button").first.click()
    times = page.get_by_role("spinbutton", name="Times through the data")
    times.fill(TIMES)
    times.press("Enter")
    page.locator(".st-key-tune_block_preset", has_text=f"{TIMES} ×").wait_for()
    page.keyboard.press("Escape")
    tune(page)


def cooperate(page: Page) -> None:
    """Have the example of voting answered."""
    page.locator(".st-key-cooperate_example_voting button").click()
    page.locator('[data-run-state="done"]').wait_for()
    page.locator(".st-key-cooperate_votes .js-plotly-plot").wait_for()


def analyse(page: Page) -> None:
    """Have the example document analysed."""
    page.locator(".st-key-services_example_document_analysis button").click()
    page.locator('.mlc-services-status[data-state="done"]').wait_for()
    page.locator(".st-key-services_text h2").first.wait_for()


def measure(page: Page) -> None:
    """Measure the example to its end."""
    page.locator(".st-key-measure_example button").click()
    page.locator('[data-measure="done"]').wait_for(timeout=TUNING_MS)
    page.locator("[data-testid=stDataFrame]").wait_for()


def edit_group(page: Page) -> None:
    page.locator('[class*="st-key-icon_group_edit_"] button').first.click()
    page.locator(".st-key-groups_editor_save button").wait_for()


LOOKS = (
    Look("welcome", "/"),
    Look("compare", "/", height=960, act=partial(answer, example="sleep")),
    Look(
        "compare-differences",
        "/",
        height=960,
        act=partial(look_closer, example="sleep", key="d", shown=".mlc-diff"),
    ),
    Look("compare-read", "/", height=720, act=partial(look_closer, example="sleep", key="0", shown=".mlc-reader")),
    Look("compare-tokens", "/", height=960, act=partial(look_at_tokens, example="sleep")),
    Look("compare-dark-zh", "/", height=960, dark=True, language="zh", act=partial(answer, example="lake")),
    Look("compare-800", "/", width=800, height=1100, act=partial(answer, example="sky")),
    Look("vote-blind", "/vote", act=partial(vote, until_ranked=False)),
    Look("vote-ranking", "/vote", height=640, act=partial(vote, until_ranked=True)),
    Look("plans", "/plans", height=1180, wants_best=True),
    Look("plans-dark-zh", "/plans", height=1180, dark=True, language="zh", act=partial(solve, example="expression")),
    Look("cooperate", "/cooperate", height=1180, act=cooperate),
    Look("services", "/services", height=1180, act=analyse),
    Look("tune-setup", "/tune", width=800, height=1800),
    Look("tune-done", "/tune", height=1180, act=tune),
    Look("measure", "/measure", height=1180, act=measure),
    Look("models", "/models"),
    Look("groups-edit", "/groups", height=960, act=edit_group),
    Look("history", "/history", height=560),
    Look("settings-dark", "/settings", dark=True),
)


def best_example(browser: Browser, address: str) -> str:
    """Solves all examples, twice, for of models that never answered nothing is known; says what came of it."""
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(PATIENCE_MS)
    gains: dict[str, float] = {}
    for example in (*PLAN_EXAMPLES, *PLAN_EXAMPLES):
        page.goto(f"{address}/plans?lang=en")
        solve(page, example)
        if found := re.search(r"together ([\d.]+) × (faster|slower)", page.locator(".mlc-strip").inner_text()):
            gains[example] = float(found[1]) if found[2] == "faster" else 1 / float(found[1])
    page.close()
    best = max(gains, key=lambda example: gains[example])
    pays = "pays" if gains[best] >= 1 else "does not pay in time, and no other does"
    print(f"plans: {best!r} {pays}: together {gains[best]:.2g} times as fast as the large model alone")
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots")
    parser.add_argument("--only", nargs="+", metavar="NAME")
    parser.add_argument("--instructions", type=Path, metavar="FILE", help="for the picture of a tuning on them")
    arguments = parser.parse_args()
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    looks = list(LOOKS)
    if arguments.instructions:
        act = partial(tune_on, instructions=arguments.instructions)
        looks.append(Look("tune-instructions", "/tune", height=1180, act=act))
    wanted = [look for look in looks if not arguments.only or look.name in arguments.only]
    path = str(SYSTEM_CHROMIUM) if SYSTEM_CHROMIUM.exists() else None
    with running_app() as address, sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        best = best_example(browser, address) if any(look.wants_best for look in wanted) else ""
        # The first round loads the models; the pictures are of the second, when they are in memory.
        first = [look for look in wanted if look.name in ("compare", "plans")]
        for look in (*first, *wanted):
            take(browser, address, look, out, partial(solve, example=best) if look.wants_best else look.act)
            print(f"{look.name}: taken", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
