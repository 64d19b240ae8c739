"""A model by keys alone: found on the Hub by words, fetched, renamed, deleted; in both languages, at any width."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from multi_llm_comparator.ui.kit.i18n import translate
from tests.browser import board
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations
from tests.support.hub_server import HubServer, serving
from tests.support.model_files import gguf_bytes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fetching")
    scripts, home = folder / "scripts", folder / "home"
    scripts.mkdir()
    files = {"tiny-Q8_0.gguf": gguf_bytes(), "README.md": b"# Tiny"}
    own = {"HF_HOME": str(folder / "hf"), "HF_TOKEN": "", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    with (
        serving(HubServer({"org/tiny-GGUF": files, "org/other": {"README.md": b""}})) as hub,
        scripted_app(scripts, home, HF_ENDPOINT=hub.url, **own) as url,
    ):
        yield url


def row(page: Page, name: str) -> Locator:
    return page.locator('[class*="st-key-model_row_"]', has_text=name)


def opened_files(page: Page, name: str) -> Locator:
    """The details of a model, with what is done to its files."""
    board.focus(row(page, name).locator('[class*="st-key-models_details_"] button'))
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.locator('[class*="st-key-models_files_"] summary').press("Enter")
    return dialog


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (390, "zh")])
def test_a_model_is_found_fetched_renamed_and_deleted_by_keys_alone(
    blank: Page, address: str, width: int, language: str
) -> None:
    page = blank
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/models?lang={language}")
    board.focus(page.locator(".st-key-models_download button").first)
    page.keyboard.press("Enter")
    board.focus(page.locator(".st-key-models_hub_name input"))
    page.keyboard.type("tiny gguf")
    page.keyboard.press("Enter")
    found = page.locator(".st-key-models_hub_hits")
    expect(found).to_contain_text("org/tiny-GGUF")
    expect(found).to_contain_text("apache-2.0")
    page.locator(".st-key-models_hub_hit_0 button").press("Enter")
    choice = page.locator('[class*="st-key-models_hub_choice_"]').get_by_role("combobox")
    fits = translate(language, "starter.fit_fits")
    expect(choice).to_have_value(re.compile(f"^tiny-Q8_0.*{re.escape(fits)}$"))
    board.expect_to_fit_any_width(page)
    page.locator(".st-key-models_hub_start button").press("Enter")
    expect(row(page, "tiny-Q8_0")).to_have_count(1)
    page.keyboard.press("Escape")
    dialog = opened_files(page, "tiny-Q8_0")
    name = dialog.locator('[class*="st-key-models_new_name_"] input')
    board.focus(name)
    page.keyboard.press("Control+a")
    page.keyboard.type("poet")
    page.keyboard.press("Enter")
    dialog.locator('[class*="st-key-models_rename_"] button:enabled').press("Enter")
    expect(row(page, "poet")).to_have_count(1)
    expect(row(page, "tiny-Q8_0")).to_have_count(0)
    dialog = opened_files(page, "poet")
    dialog.locator('[class*="st-key-models_delete_sure_"] input').focus()
    page.keyboard.press("Space")
    delete = dialog.locator('[class*="st-key-models_delete_"] button:enabled')
    expect(delete).to_be_visible()
    assert dialog.evaluate("dialog => dialog.scrollWidth <= innerWidth")
    assert violations(page) == []
    delete.press("Enter")
    expect(row(page, "poet")).to_have_count(0)
