"""What the pages change about Streamlit's own frame: each test fails when a name inside Streamlit's pages changes."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import App


def open_menu(page: Page) -> None:
    page.get_by_test_id("stMainMenu").get_by_role("button").click()
    expect(page.get_by_test_id("stMainMenuList").first).to_be_visible()


def test_the_prompt_has_the_focus_when_a_page_opens(page: Page) -> None:
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_focused()


def test_the_menu_is_in_the_readers_language(blank: Page, app: App) -> None:
    page = blank
    page.goto(f"{app.address}/?lang=zh")
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_focused()
    open_menu(page)
    labels = page.get_by_test_id("stMainMenuItemLabel")
    expect(labels.filter(has_text="打印")).to_be_visible()
    assert not [text for text in labels.all_inner_texts() if re.search(r"[a-z]{3}", text)]


def test_what_streamlit_says_by_itself_is_in_the_readers_language_and_follows_it(blank: Page, app: App) -> None:
    page = blank
    page.set_viewport_size({"width": 800, "height": 900})
    page.goto(f"{app.address}/services?lang=zh")
    others = page.get_by_test_id("stTopNav").locator("button:visible", has_text=re.compile("页|more"))
    expect(others).to_have_text(re.compile(r"^另有 \d+ 页$"))
    page.get_by_role("tab").nth(1).click()
    place = page.get_by_test_id("stFileUploaderDropzone")
    expect(place).to_contain_text("选择文件")
    expect(place).to_contain_text(re.compile("每个文件最大 \\d+"))
    expect(page.get_by_test_id("stSkipToContent")).to_have_text("跳到主要内容")
    # White words are for the colour of a button that can be pressed.
    start = page.locator(".st-key-services_start button")
    expect(start).to_be_disabled()
    expect(start).not_to_have_css("color", "rgb(255, 255, 255)")
    page.get_by_role("button", name="English").click()
    expect(others).to_have_text(re.compile(r"^\d+ more$"))
    # Pages that have no room above are reached by keys.
    others.focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("stTopNavPopover").get_by_role("menuitem").last.wait_for()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/settings"))


def test_a_theme_holds_on_other_pages_and_in_new_tabs(page: Page, context: BrowserContext, app: App) -> None:
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_focused()
    open_menu(page)
    page.get_by_test_id("stMainMenuItem-theme-Dark").click()
    expect(page.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
    other = context.new_page()
    other.goto(f"{app.address}/plans?run=none")
    expect(other.get_by_test_id("stApp")).to_have_css("color-scheme", "dark")
