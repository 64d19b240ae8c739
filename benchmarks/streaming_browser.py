"""Part (e) of the streaming measurement, and (f) again as a person sees it: the real app in a real browser.

An observer in the page notes when text first stands in each answer's card; the run's record holds when the model
processes had made it. Both clocks are the machine's.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page

from benchmarks.real_app import app, blank_page, database, place_models
from benchmarks.real_models import RealModels
from benchmarks.results import Figure
from multi_llm_comparator.tracking.store import Store

ANSWER_TIMEOUT_S = 600.0
# When each answer's text is first on the screen, in seconds since the epoch: after the frame that draws it.
OBSERVER = """
() => {
  window.firstText = {};
  const look = () => {
    for (const card of document.querySelectorAll('[class*="st-key-text_"]')) {
      const key = card.className.match(/st-key-text_(\\S+)/)[1];
      const text = card.querySelector('[data-testid="stMarkdownContainer"]');
      if (!(key in window.firstText) && text && text.innerText.trim()) {
        window.firstText[key] = null;
        requestAnimationFrame(() => { window.firstText[key] = (performance.timeOrigin + performance.now()) / 1000; });
      }
    }
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}
"""


@dataclass(frozen=True)
class Turn:
    """Times of one prompt's answers, seconds since the epoch, by "turn_pane"."""

    clicked: float
    engine: dict[str, float]
    seen: dict[str, float]

    @property
    def lags(self) -> list[float]:
        return [self.seen[key] - self.engine[key] for key in self.engine]

    @property
    def made(self) -> float:
        """From the click until every model has made its first token."""
        return max(self.engine.values()) - self.clicked

    @property
    def shown(self) -> float:
        """From the click until every answer has begun on the screen."""
        return max(self.seen.values()) - self.clicked


async def browser_figures(models: RealModels, question: str, rounds: int, writing_s: float) -> list[Figure]:
    """(e), f3 to f6, and g: ``rounds`` fresh apps, each opened, asked once with nothing loaded and twice loaded.

    Args:
        models: the four that stand side by side.
        writing_s: pause between the page being there and the first prompt, in seconds.
    """
    cold: list[Turn] = []
    warm: list[Turn] = []
    opening: list[float] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="mlc-browser-") as folder:
            home = Path(folder)
            place_models(models, home / "models")
            with app(home) as address:
                async with page_at(address) as (page, opening_s):
                    opening.append(opening_s)
                    await asyncio.sleep(writing_s)
                    cold.append(await ask(page, home, question))
                    warm += [await ask(page, home, question) for _ in range(2)]
    lags = [lag for turn in warm for lag in turn.lags]
    return [
        _figure("e", "first token on the screen, after the engine's (median)", lags, wanted=0.3),
        _figure("f3", "click in the browser to four first tokens, nothing loaded", [t.made for t in cold], wanted=10.0),
        _figure("f4", "the same, all loaded", [t.made for t in warm], wanted=0.5),
        _figure("f5", "click to four first tokens on the screen, nothing loaded", [t.shown for t in cold], wanted=10.0),
        _figure("f6", "the same, all loaded", [t.shown for t in warm], wanted=0.8),
        _opening_figure(await openings(models, rounds, opening)),
    ]


async def openings(models: RealModels, rounds: int, found: list[float]) -> list[float]:
    """As many openings again in apps that do nothing else: a 90th percentile wants more than a handful."""
    more = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="mlc-browser-") as folder:
            place_models(models, Path(folder) / "models")
            with app(Path(folder)) as address:
                async with page_at(address) as (_, opening_s):
                    more.append(opening_s)
    return found + more


def _opening_figure(seconds: list[float]) -> Figure:
    name = f"opening the page of a fresh app until a prompt can be written (90th percentile of {len(seconds)})"
    p90 = sorted(seconds)[math.ceil(0.9 * len(seconds)) - 1]
    return Figure(id="g", name=name, value=p90, wanted=3.0, sense="at most", value_unit="s", rounds=[seconds])


def _figure(id: str, name: str, seconds: list[float], *, wanted: float) -> Figure:
    value = statistics.median(seconds)
    each = [[round(s, 4)] for s in seconds]
    return Figure(id=id, name=name, value=value, wanted=wanted, sense="at most", value_unit="s", rounds=each)


@asynccontextmanager
async def page_at(address: str) -> AsyncIterator[tuple[Page, float]]:
    """The Compare page, ready for a prompt, and after how many seconds it was."""
    async with blank_page(address, width=1440) as page:
        start = time.perf_counter()
        await page.goto(address)
        await page.locator('[data-testid="stChatInputTextArea"]:enabled').wait_for()
        opening_s = time.perf_counter() - start
        await page.evaluate(OBSERVER)
        yield page, opening_s


async def ask(page: Page, home: Path, question: str) -> Turn:
    """Send the prompt, wait until all answers are there, and read both clocks."""
    before = set(await page.evaluate("Object.keys(window.firstText)"))
    box = page.get_by_test_id("stChatInputTextArea")
    await box.fill(question)
    clicked = float(await page.evaluate("(performance.timeOrigin + performance.now()) / 1000"))
    await box.press("Enter")
    await page.wait_for_url("**/*run=*")
    run_id = parse_qs(urlsplit(page.url).query)["run"][0]
    engine = await _engine_times(home, run_id, before)
    wait = "keys => keys.every(key => window.firstText[key])"
    # Playwright's own way of waiting evaluates text within the page, which its policy forbids.
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        while not await page.evaluate(wait, list(engine)):
            await asyncio.sleep(0.05)
    seen = await page.evaluate("window.firstText")
    return Turn(clicked, engine, {key: float(seen[key]) for key in engine})


async def _engine_times(home: Path, run_id: str, before: set[str]) -> dict[str, float]:
    """When each new answer's first token was made, once all four are finished and stored."""
    store = Store(database(home))
    try:
        deadline = asyncio.get_running_loop().time() + ANSWER_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            answers = {item.key.replace("/", "_"): item for item in store.load_items(run_id)}
            new = {key: answer for key, answer in answers.items() if key not in before}
            if failed := [answer for answer in new.values() if answer.status == "failed"]:
                raise SystemExit(f"an answer failed: {failed[0].record['legs'][-1]['progress']['error']}")
            if len(new) == 4 and all(answer.status == "done" for answer in new.values()):
                return {key: a.record["legs"][0]["progress"]["first_token_at"] for key, a in new.items()}
            await asyncio.sleep(0.2)
    finally:
        store.close()
    raise SystemExit(f"not all four answers of run {run_id!r} were finished within {ANSWER_TIMEOUT_S:.0f} s")
