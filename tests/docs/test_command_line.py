"""The table of what a page does and which command does it: whole, and true."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.command_words import all_commands

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "command-line.md"
HEADING = "## What a page does, and the command"
NOT_A_PAGE = "none"


def rows() -> list[tuple[str, str]]:
    """Page and commands of each row."""
    section = PAGE.read_text(encoding="utf-8").partition(HEADING)[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return [(line[0], line[2]) for line in lines[2:]]


def typed() -> list[str]:
    return [text for _, commands in rows() for text in re.findall(r"`(llm-[^`]+)`", commands)]


def command_in(text: str) -> str:
    return re.split(r" --", text)[0]


def test_every_command_in_it_is_there_with_its_options() -> None:
    known = all_commands()
    for text in typed():
        assert command_in(text) in known, text
        options = {name for one in known[command_in(text)].params for name in (*one.opts, *one.secondary_opts)}
        assert set(re.findall(r"--[\w-]+", text)) <= options, text


def test_every_command_is_in_it() -> None:
    assert set(all_commands()) - {command_in(text) for text in typed()} == set()


def test_every_page_is_in_it() -> None:
    pages = {path.stem.capitalize() for path in (ROOT / "pages").glob("*.py")}
    assert {page for page, _ in rows()} == {*pages, NOT_A_PAGE}


def test_what_has_no_command_says_why() -> None:
    for page, commands in rows():
        assert "`llm-" in commands or re.match(r"–, \w", commands), page
