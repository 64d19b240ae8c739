"""The Groups page in a real browser: a provider breaks, its traffic moves to another, it works again and returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.services.bridge import Bridge
from tests.browser import board
from tests.browser.conftest import App, remember_panes
from tests.browser.test_accessibility import violations
from tests.support.scripted_openai_server import Act, ScriptedServer

BROKEN = Act("status", status=500, error={"message": "the disk is full"})


@dataclass(frozen=True)
class Provider:
    """One of two providers, on a server of its own that runs beside the test."""

    name: str
    server: ScriptedServer

    def breaks(self) -> None:
        self.server.usual["m"] = BROKEN

    def works(self) -> None:
        self.server.usual["m"] = Act(text=f"The {self.name} answers.")

    @property
    def asked(self) -> int:
        return self.server.count("m")


@pytest.fixture
def providers() -> Iterator[tuple[Provider, Provider]]:
    bridge = Bridge()
    found = (Provider("first", ScriptedServer()), Provider("second", ScriptedServer()))
    for provider in found:
        bridge.run(provider.server.__aenter__(), timeout_s=20)
        provider.works()
    yield found
    for provider in found:
        bridge.run(provider.server.__aexit__(None, None, None), timeout_s=20)
    bridge.close()


def configure(app: App, providers: tuple[Provider, Provider], *, recovery_s: float) -> None:
    """Save the file with one group of both; the running app takes it over by itself."""
    models = "".join(f"  {p.name}: {{provider: {p.name}, base_url: '{p.server.url}', model: m}}\n" for p in providers)
    write_atomically(
        app.groups_file,
        f"gateway: {{retry_wait_s: 0.05, breaker: {{failure_threshold: 2, recovery_s: {recovery_s}}}}}\n"
        f"models:\n{models}"
        "task_groups:\n"
        "  pair: {echelon1: {models: [first, second], max_retries: 1}, fallback_strategy: provider_failover}\n",
    )


def ask(page: Page) -> None:
    page.get_by_role("button", name="Try it").click()


def answer(page: Page) -> Locator:
    return page.locator(".st-key-groups_trial_text")


def breaker(page: Page, model: str) -> Locator:
    return page.locator("[data-breaker]", has_text=model)


def expect_breaker(page: Page, model: str, state: str) -> None:
    expect(breaker(page, model)).to_have_attribute("data-breaker", state)


@pytest.fixture
def groups(blank: Page, app: App, providers: tuple[Provider, Provider]) -> Page:
    """The Groups page with the pair in it."""
    page = blank
    configure(app, providers, recovery_s=3600)
    page.goto(f"{app.address}/groups?lang=en")
    expect(page.locator(".mlc-groups")).to_contain_text("pair")
    expect_breaker(page, "first", "closed")
    # The box of targets is drawn with the page, the rest of the page by itself when the file changes.
    page.reload()
    expect(page.get_by_role("combobox", name="Ask")).to_have_value("pair · group")
    return page


def test_a_broken_provider_is_left_for_another_and_used_again_when_it_works_again(
    groups: Page, app: App, providers: tuple[Provider, Provider]
) -> None:
    first, _ = providers
    ask(groups)
    expect(answer(groups)).to_have_text("The first answers.")

    first.breaks()
    ask(groups)
    expect(answer(groups)).to_have_text("The second answers.")
    expect(groups.locator(".mlc-story .mlc-failed").first).to_contain_text("the disk is full")
    expect_breaker(groups, "first", "open")
    expect(breaker(groups, "first")).to_contain_text("the disk is full")

    reached = first.asked
    ask(groups)
    expect(groups.locator(".mlc-story li")).to_have_count(1)
    expect(answer(groups)).to_have_text("The second answers.")
    assert first.asked == reached, "an open breaker lets nothing through"

    first.works()
    configure(app, providers, recovery_s=0.5)
    expect_breaker(groups, "first", "half_open")
    ask(groups)
    expect(answer(groups)).to_have_text("The first answers.")
    expect_breaker(groups, "first", "closed")
    assert first.asked == reached + 1


def test_a_model_is_taken_out_and_brought_back_by_hand(groups: Page) -> None:
    row = groups.locator('[class*="st-key-group_model_"]', has_text="first")
    row.get_by_role("button", name="Take out of service").click()
    expect_breaker(groups, "first", "open")
    ask(groups)
    expect(answer(groups)).to_have_text("The second answers.")
    row.get_by_role("button", name="Put back in service").click()
    expect_breaker(groups, "first", "closed")
    ask(groups)
    expect(answer(groups)).to_have_text("The first answers.")


def test_a_mistake_in_the_file_is_shown_and_the_good_one_serves_on(groups: Page, app: App) -> None:
    write_atomically(app.groups_file, "task_groups: {pair: {echelon1: {models: [first], rpm_limit: many}}}")
    expect(groups.get_by_role("alert")).to_contain_text("task_groups.pair.echelon1.rpm_limit")
    ask(groups)
    expect(answer(groups)).to_have_text("The first answers.")


def test_a_pane_of_the_compare_page_asks_a_group(page: Page, app: App, providers: tuple[Provider, Provider]) -> None:
    configure(app, providers, recovery_s=3600)
    page.goto(f"{app.address}/groups?lang=en")
    expect(page.locator(".mlc-groups")).to_contain_text("pair")
    page.goto(f"{app.address}/?lang=en")
    page.get_by_role("combobox", name="Model of pane A").click()
    page.get_by_role("option", name="pair · group", exact=True).click()
    board.ask(page, "Who are you?")
    card = board.cards(page).nth(0)
    expect(card).to_contain_text("The first answers.")
    expect(card).to_contain_text("by first")
    board.stop_all(page)


def test_a_failed_answer_leads_by_keys_to_the_entry_of_who_failed(
    blank: Page, app: App, providers: tuple[Provider, Provider]
) -> None:
    page = blank
    for provider in providers:
        provider.server.usual["m"] = Act("status", status=401, error={"message": "the key has expired"})
    configure(app, providers, recovery_s=1.0)
    page.goto(f"{app.address}/groups?lang=en")
    expect(page.locator(".mlc-groups")).to_contain_text("pair")
    remember_panes(app.home, ["second"], ModelConfig(max_tokens=16))
    for width, language in board.LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{app.address}/?lang={language}")
        board.ask(page, "Who are you?")
        leads = board.cards(page).first.locator('[class*="st-key-groups_"] button')
        board.focus(leads)
        page.keyboard.press("Enter")
        row = page.locator('[aria-current="true"].mlc-model-row')
        expect(row).to_contain_text("the key has expired")
        expect(row).to_be_in_viewport()
        board.expect_to_fit(page)
        assert violations(page) == []
    write_atomically(app.groups_file, "{}")


def test_a_group_is_made_changed_and_deleted_on_the_page_and_the_file_keeps_its_comments(blank: Page, app: App) -> None:
    page = blank
    before = "# Ours.\ntask_groups:\n  old: {e: {models: [demo-small]}}  # the first\n"
    write_atomically(app.groups_file, before)
    page.goto(f"{app.address}/groups?lang=en")
    page.locator(".st-key-groups_new button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("mine")
    dialog.get_by_label("Name", exact=True).press("Enter")
    dialog.locator('[data-testid="stMultiSelect"] input').first.fill("demo-small")
    page.get_by_role("option", name="demo-small", exact=True).click()
    page.keyboard.press("Escape")
    dialog.locator(".st-key-groups_editor_save button").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".mlc-row-title", has_text="mine")).to_be_visible()
    assert app.groups_file.read_text() == before + "  mine:\n    level1: {models: [demo-small]}\n"
    page.locator('[class*="st-key-icon_group_edit_"] button').nth(1).click()
    dialog.get_by_label("What it is for").fill("tries")
    dialog.get_by_label("What it is for").press("Enter")
    # Somebody writes the file by hand meanwhile.
    write_atomically(app.groups_file, app.groups_file.read_text() + "# by hand\n")
    dialog.locator(".st-key-groups_editor_save button").click()
    expect(dialog).to_contain_text("was changed meanwhile")
    dialog.locator(".st-key-groups_editor_cancel button").click()
    page.locator('[class*="st-key-icon_group_edit_"] button').nth(1).click()
    dialog.locator(".st-key-groups_editor_delete button").click()
    expect(page.locator(".mlc-row-title", has_text="mine")).to_have_count(0)
    assert app.groups_file.read_text() == before + "# by hand\n"
    page.locator(".st-key-groups_undo button").first.click()
    expect(page.locator(".mlc-row-title", has_text="mine")).to_be_visible()
    write_atomically(app.groups_file, "{}")
