"""Makes the pictures of the documentation: starts the app in a home of its own and looks at it with Chromium.

    python docs/make_screenshots.py [--out docs/screenshots] [--only NAME ...] [--instructions FILE]

Needs the demo models (``python -m demo.prepare``) and what the browser tests need. A tuning on instructions is looked
at only where there is a file of them; it takes minutes.
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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[1]
SYSTEM_CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 300_000
SETTLE_MS = 1500
TUNING_MS = 1_800_000


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    name: str
    path: str
    width: int = 1280
    height: int = 900
    dark: bool = False
    language: str = "en"
    example: str = ""
    show: str = ""


# What of a comparison is shown, by the keys that show it.
DIFFERENCES, READ = "differences", "read"
KEYS = {DIFFERENCES: "d", READ: "0"}
# The example whose plan pays most, or costs least, in time beside the large model alone: the picture says which.
BEST = "best"
# The example of the Tune page, tuned to its end.
TUNED = "tuned"
# A file of instructions, tuned to its end: so many of its rows, once.
INSTRUCTED, INSTRUCTIONS, TIMES = "instructed", "200", "1"
# The example of the Vote page: its first turn, and the ranking once all turns have their votes.
BLIND, RANKED = "blind", "ranked"
PLAN_EXAMPLES = ("expression", "legs", "smallest", "letters", "units", "planets")

LOOKS = (
    Look("welcome", "/"),
    Look("compare", "/", height=960, example="sleep"),
    Look("compare-differences", "/", height=960, example="sleep", show=DIFFERENCES),
    Look("compare-read", "/", height=720, example="sleep", show=READ),
    Look("compare-dark-zh", "/", height=960, dark=True, language="zh", example="lake"),
    Look("compare-800", "/", width=800, height=1100, example="sky"),
    Look("vote-blind", "/vote", example=BLIND),
    Look("vote-ranking", "/vote", height=640, example=RANKED),
    Look("plans", "/plans", height=1180, example=BEST),
    Look("plans-dark-zh", "/plans", height=1180, dark=True, language="zh", example="expression"),
    Look("tune-setup", "/tune", width=800, height=1800),
    Look("tune-done", "/tune", height=1180, example=TUNED),
    Look("tune-instructions", "/tune", height=1180, example=INSTRUCTED),
    Look("models", "/models"),
    Look("history", "/history", height=560),
    Look("settings-dark", "/settings", dark=True),
)


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


def take(browser: Browser, address: str, look: Look, out: Path, instructions: Path | None = None) -> None:
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
    if look.example and look.path == "/plans":
        solve(page, look.example)
    elif look.example == TUNED:
        tune(page)
    elif look.example == INSTRUCTED and instructions is not None:
        choose_instructions(page, instructions)
        tune(page)
    elif look.path == "/vote":
        vote(page, until_ranked=look.example == RANKED)
    elif look.example:
        answer(page, look.example)
    if look.show:
        look_closer(page, look.show)
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


def look_closer(page: Page, show: str) -> None:
    """Out of the prompt box, and a key."""
    page.keyboard.press("Escape")
    page.keyboard.press(KEYS[show])
    page.locator(".mlc-diff" if show == DIFFERENCES else ".mlc-reader").first.wait_for()


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


def choose_instructions(page: Page, instructions: Path) -> None:
    """Take the first rows of a file on this machine."""
    block = page.locator(".st-key-tune_block_data")
    block.get_by_test_id("stButtonGroup").get_by_text("On this machine", exact=True).click()
    place = block.get_by_role("textbox").first
    place.fill(str(instructions.absolute()))
    place.press("Enter")
    rows = page.locator('[class*="st-key-tune_max_rows_"] input')
    rows.fill(INSTRUCTIONS)
    rows.press("Enter")
    page.locator(".st-key-tune_block_cleaning .mlc-figure b", has_text=INSTRUCTIONS).first.wait_for()
    page.locator(".st-key-tune_options button").first.click()
    times = page.get_by_role("spinbutton", name="Times through the data")
    times.fill(TIMES)
    times.press("Enter")
    page.locator(".st-key-tune_block_preset", has_text=f"{TIMES} ×").wait_for()
    page.keyboard.press("Escape")


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
    parser.add_argument("--only", nargs="*", metavar="NAME", help="pictures; all if none is named")
    parser.add_argument("--instructions", type=Path, metavar="FILE", help="for the picture of a tuning on them")
    given = parser.parse_args()
    out: Path = given.out
    looks = [look for look in LOOKS if not given.only or look.name in given.only]
    looks = [look for look in looks if given.instructions or look.example != INSTRUCTED]
    out.mkdir(parents=True, exist_ok=True)
    path = str(SYSTEM_CHROMIUM) if SYSTEM_CHROMIUM.exists() else None
    with running_app() as address, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        # The first round loads the models; the pictures are of the second, when they are in memory.
        first = [look for look in looks if look.name in ("compare", "plans")]
        best = best_example(browser, address) if any(look.example == BEST for look in looks) else ""
        for round_of in (first, looks):
            for look in round_of:
                shown = replace(look, example=best) if look.example == BEST else look
                take(browser, address, shown, out, given.instructions)
        browser.close()


if __name__ == "__main__":
    main()
