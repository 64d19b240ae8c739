"""Each decision is one short file in one form, and the list of them names all."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
FILES = sorted(FOLDER.glob("[0-9]*.md"))
FORM = re.compile(
    r"# (?P<number>\d{4}): (?P<title>.+)\n\n- Date: \d{4}-\d\d-\d\d\n"
    r"- Status: (?P<status>accepted|superseded by .+)\n\n"
    r"## Context\n\n.+?\n\n## Decision\n\n.+?\n\n## Consequence\n\n.+\n",
    re.DOTALL,
)
MOST_WORDS = 150


def test_decisions_have_their_form_and_are_short() -> None:
    assert len(FILES) > 100
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        found = FORM.fullmatch(text)
        assert found, f"{path.name}: a heading with the number, date, status, then context, decision and consequence"
        assert path.name.startswith(f"{found['number']}-"), path.name
        assert len(text.split()) <= MOST_WORDS, path.name


def test_the_list_names_every_decision_with_its_title_and_status() -> None:
    expected = []
    for number, path in enumerate(FILES, 1):
        found = FORM.fullmatch(path.read_text(encoding="utf-8"))
        assert found and int(found["number"]) == number, f"{path.name}: numbers count up without a gap"
        expected.append((found["number"], found["title"], path.name, found["status"].split()[0]))
    listed = re.findall(
        r"^\| (\d{4}) \| \[(.+?)\]\((.+?)\) \| [\d-]+ \| (\w+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert listed == expected
