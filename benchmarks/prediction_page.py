"""Questions asked one after the other on the Plans page of the real app, in a real browser."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page

from benchmarks.real_app import app, blank_page, database
from multi_llm_comparator.plans.documents import read_run
from multi_llm_comparator.tracking.store import Store

# What somebody takes at least to look at an answer before the next question.
READING_S = 1.0
# The first answer waits for three models to be loaded.
ANSWER_TIMEOUT_S = 120.0


async def asked_on_page(home: Path, questions: Sequence[str], rounds: int) -> list[str]:
    """Ask each question once a round, in another order each time; the ids of the runs, in the order of asking.

    Args:
        home: where the app keeps its runs; the models lie in ``home / "models"``, a planner, a small and a large one.
        questions: what is asked.
        rounds: how many times.
    """
    shuffle = random.Random(0)
    runs: list[str] = []
    with app(home) as address:
        async with blank_page(address, width=1280) as page:
            await page.goto(f"{address}/plans?lang=en")
            await page.locator('[data-testid="stChatInputTextArea"]:enabled').wait_for()
            with closing(Store(database(home))) as store:
                for _ in range(rounds):
                    for question in shuffle.sample(questions, len(questions)):
                        runs.append(await _ask(page, question))
                        await _end(page, store, runs[-1])
                        await asyncio.sleep(READING_S)
    return runs


async def _ask(page: Page, question: str) -> str:
    before = _run_shown(page.url)
    box = page.get_by_test_id("stChatInputTextArea")
    await box.fill(question)
    await box.press("Enter")
    await page.wait_for_url(lambda url: _run_shown(url) not in (None, before))
    return str(_run_shown(page.url))


def _run_shown(url: str) -> str | None:
    return parse_qs(urlsplit(url).query).get("run", [None])[0]


async def _end(page: Page, store: Store, run_id: str) -> None:
    """The run is over, and the page says so. Until it shows this run it says so of the one before."""
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        while read_run(store.load_run(run_id)).ended_at is None:
            await asyncio.sleep(0.05)
    await page.locator('.mlc-plan-status [data-run-state="done"]').wait_for()
