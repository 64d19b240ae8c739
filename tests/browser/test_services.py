"""The Services page in a real browser: each service from its example to an exported file, in both languages; a file,
its sources, an error and what comes after it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.applications.documents import pdf
from tests.browser.board import expect_to_fit
from tests.browser.downloads import downloaded
from tests.browser.scripted import scripted_app
from tests.browser.test_accessibility import violations

SERVICES = ("document_analysis", "data_insight", "decision_support")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with a model that says nothing useful: what can be shown all the same is the point."""
    folder = tmp_path_factory.mktemp("services")
    (folder / "scripts").mkdir()
    script = {"answers": [{"pattern": "", "text": "Well, that is a question."}]}
    (folder / "scripts" / "talker.json").write_text(json.dumps(script), encoding="utf-8")
    with scripted_app(folder / "scripts", folder / "home", MLC_FIRST_MODEL="false") as found:
        yield found


@pytest.fixture
def page(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(f"{address}/services?lang=en")
    return page


def ended(page: Page, state: str = "done") -> None:
    expect(page.locator(f'.mlc-services-status[data-state="{state}"]')).to_be_visible()


@pytest.mark.parametrize("service", SERVICES)
def test_each_example_works_at_once_and_is_exported(page: Page, service: str, tmp_path: Path) -> None:
    import docx

    page.locator(f".st-key-services_example_{service}").get_by_role("button").click()
    ended(page)
    expect(page.locator(".st-key-services_text h2").first).to_be_visible()
    if service == "document_analysis":
        page.locator(".st-key-services_open_1").get_by_role("button").click()
        expect(page.get_by_role("dialog").locator("mark")).to_be_visible()
        page.keyboard.press("Escape")
    else:
        expect(page.locator(".st-key-services_charts .mlc-plot .plot-container").first).to_be_visible()
    page.wait_for_timeout(1000)
    assert violations(page) == []
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Word (DOCX)").click()
    download.value.save_as(tmp_path / "result.docx")
    assert docx.Document(io.BytesIO((tmp_path / "result.docx").read_bytes())).paragraphs[0].text
    files = downloaded(page, ("Markdown", "HTML"), tmp_path)
    assert "## " in files["Markdown"] and "<h2>" in files["HTML"]


def test_a_chinese_reader_gets_chinese_examples(blank: Page, address: str) -> None:
    page = blank
    page.goto(f"{address}/services?lang=zh")
    page.get_by_role("button", name="解读月度销售数据").click()
    ended(page)
    expect(page.locator(".st-key-services_text")).to_contain_text("销售额：从 1月 的 890万元 到 9月 的 1,520万元")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator(".st-key-services_text h2").first).to_be_visible()
    expect_to_fit(page)


def test_a_file_is_read_asked_and_its_error_is_said(page: Page) -> None:
    page.get_by_role("tab", name="Upload a file").click()
    chooser = page.locator('input[type="file"]')
    chooser.set_input_files({"name": "scan.pdf", "mimeType": "application/pdf", "buffer": pdf([""])})
    start = page.locator(".st-key-services_start").get_by_role("button")
    expect(start).to_be_enabled()
    start.click()
    ended(page, "failed")
    expect(page.get_by_role("alert")).to_contain_text("no text")
    page.locator(".st-key-services_new").get_by_role("button").click()
    page.get_by_role("tab", name="Upload a file").click()
    text = "Revenue rose by 28% in the third quarter.\n\nRaw materials cost 12% more than a year before."
    chooser.set_input_files(
        {"name": "report.pdf", "mimeType": "application/pdf", "buffer": pdf([text, "Second page."])}
    )
    expect(start).to_be_enabled()
    start.click()
    ended(page)
    expect(page.locator(".st-key-services_sources")).to_contain_text("page 1, paragraph 1")
    # The address opens the same run again.
    page.reload()
    ended(page)
