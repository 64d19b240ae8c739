"""The History page in a real browser, in both languages and at three widths."""

from __future__ import annotations

import asyncio
import io
import json
import re
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser.board import expect_to_fit_any_width
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations
from tests.support.made_runs import MadeRuns


@dataclass(frozen=True)
class Place:
    """A running app, the ids of the runs that its history has, and the store behind it."""

    address: str
    comparison: str
    plan: str
    store: Store


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    """The address of an app without models, and the store behind it."""
    folder = tmp_path_factory.mktemp("history")
    home, scripts = folder / "home", folder / "scripts"
    home.mkdir()
    scripts.mkdir()
    store = Store(f"sqlite:///{home / 'workbench.db'}")
    with scripted_app(scripts, home) as address:
        yield address, store
    store.close()


@pytest.fixture
def place(served: tuple[str, Store]) -> Place:
    """The app with a comparison and a plan run, and nothing else that earlier tests left."""
    address, store = served
    store.delete_runs([run.id for run in store.list_runs()])

    async def make() -> tuple[str, str]:
        made = MadeRuns(store)
        ids = await made.comparison("A prompt about quinces", "small", "large"), await made.plan("What is 7 * 8?")
        await made.aclose()
        return ids

    # Playwright keeps an event loop on this thread.
    with ThreadPoolExecutor(1) as thread:
        return Place(address, *thread.submit(lambda: asyncio.run(make())).result(), store)


def opened(context: BrowserContext, place: Place, width: int, language: str) -> Page:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{place.address}/history?lang={language}")
    expect(rows(page)).to_have_count(2)
    return page


def rows(page: Page) -> Locator:
    return page.locator('[class*="st-key-run_"]')


def row(page: Page, run_id: str) -> Locator:
    return page.locator(f".st-key-run_{run_id}")


def choose(page: Page, name: str, option: str) -> None:
    page.locator(f".st-key-history_{name} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def pick(page: Page, *run_ids: str) -> None:
    for number, run_id in enumerate(run_ids, 1):
        page.locator(f".st-key-history_pick_{run_id} label").click()
        expect(page.locator(".st-key-history_bulk")).to_contain_text(str(number))


def add_tag(page: Page, tag: str) -> None:
    """Type a tag into the box that is open, and take it once the box offers it."""
    page.locator('[class*="st-key-history_tags_"] input').fill(tag)
    page.get_by_role("option").filter(has_text=tag).click()
    expect(page.locator('[class*="st-key-history_tags_"]')).to_contain_text(tag)
    # The list of tags stays open, and hides the rest from whoever goes by roles.
    page.keyboard.press("Escape")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()


def button(page: Page, language: str, key: str) -> Locator:
    return page.get_by_role("button", name=translate(language, key), exact=True)


@pytest.mark.parametrize(("width", "language"), [(1280, "zh"), (390, "en")])
def test_both_kinds_are_listed_filtered_tagged_compared_and_deleted(
    context: BrowserContext, place: Place, width: int, language: str
) -> None:
    page = opened(context, place, width, language)
    expect_to_fit_any_width(page)
    expect(row(page, place.plan)).to_contain_text(translate(language, "kind.plan"))
    expect(row(page, place.comparison)).to_contain_text(translate(language, "kind.comparison"))
    assert violations(page) == []

    choose(page, "kind", translate(language, "kind.plan"))
    expect(rows(page)).to_have_count(1)
    expect(page).to_have_url(re.compile("kind=plan"))
    page.reload()
    expect(rows(page)).to_have_count(1)
    button(page, language, "history.clear").click()
    expect(rows(page)).to_have_count(2)

    row(page, place.comparison).get_by_role("button", name=translate(language, "history.mark")).click()
    add_tag(page, "orchard")
    expect(row(page, place.comparison)).to_contain_text("# orchard")
    page.goto(f"{place.address}/history?lang={language}&tag=orchard")
    expect(rows(page)).to_have_count(1)
    button(page, language, "history.clear").click()
    expect(rows(page)).to_have_count(2)

    pick(page, place.comparison, place.plan)
    button(page, language, "history.beside").click()
    expect(page.locator(".st-key-beside_0_0")).to_contain_text("A prompt about quinces")
    expect(page.locator(".st-key-beside_0_1")).to_contain_text("What is 7 * 8?")
    expect_to_fit_any_width(page)
    button(page, language, "history.beside_end").click()

    expect(rows(page)).to_have_count(2)
    page.locator(".st-key-history_delete button").first.click()
    page.locator(".st-key-history_delete_all_yes button").click()
    expect(rows(page)).to_have_count(0)
    expect(page.get_by_text(translate(language, "history.empty"))).to_be_visible()
    assert place.store.count_runs() == 0


def test_several_runs_are_exported_as_one_archive(context: BrowserContext, place: Place) -> None:
    page = opened(context, place, 1280, "en")
    pick(page, place.comparison, place.plan)
    page.locator(".st-key-history_export button").first.click()
    with page.expect_download() as download:
        page.get_by_role("button", name=f"ZIP · {translate('en', 'export.json')}").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert {json.loads(archive.read(name))["id"] for name in archive.namelist()} == {place.comparison, place.plan}


def test_a_row_leads_to_its_run_and_an_answer_there_is_tagged(context: BrowserContext, place: Place) -> None:
    page = opened(context, place, 1280, "en")
    row(page, place.comparison).get_by_role("button", name=translate("en", "history.open")).click()
    expect(page.locator(".mlc-prompt")).to_have_text("A prompt about quinces")
    expect(page).to_have_url(re.compile(f"run={place.comparison}"))
    card = page.locator('[class*="st-key-card_"]').first
    card.get_by_role("button", name=translate("en", "history.mark_answer")).click()
    add_tag(page, "best so far")
    expect(card).to_contain_text("# best so far")
