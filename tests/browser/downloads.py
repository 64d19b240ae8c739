"""Files that a page offers behind buttons."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page


def downloaded(page: Page, names: tuple[str, ...], folder: Path) -> dict[str, str]:
    """What each button's file says, by the button's name."""
    files = {}
    for name in names:
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        path = folder / download.value.suggested_filename
        download.value.save_as(path)
        # Spreadsheets want a byte order mark; in other files there is none to leave out.
        files[name] = path.read_text(encoding="utf-8-sig")
    return files
