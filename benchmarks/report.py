"""Put measured figures into the documents that quote them.

    python -m benchmarks.report

Every ``<!-- figures: NAME -->`` … ``<!-- /figures -->`` in README.md and docs/*.md is filled with the table of
``benchmarks/results/NAME.json``, and every ``<!-- figure: NAME ID -->`` … ``<!-- /figure -->`` inside a sentence with
one value of it, so that a document never quotes a figure that was not measured. Those that were not measured yet stay
as they are, and are named.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.results import RESULTS, load, number, table
from multi_llm_comparator.core.files import write_atomically

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"(<!-- figures: (?P<name>[\w-]+) -->\n)(?P<body>.*?)(<!-- /figures -->)", re.DOTALL)
_OPENING = re.compile(r"<!-- figures: ")
_INLINE = re.compile(r"(<!-- figure: (?P<name>[\w-]+) (?P<id>[\w-]+) -->)[^<\n]*(<!-- /figure -->)")
_INLINE_OPENING = re.compile(r"<!-- figure: ")


class ReportError(Exception):
    """A block does not end, or asks for a figure that its result does not have."""


def render(path: Path) -> str:
    """A result as a Markdown table, followed by what it was measured on."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if "table" in data:
        return _markdown(data["table"], data["machine"], [data["measured"]], data["note"])
    machine, figures = load(path)
    return _markdown(table(figures), machine, sorted({figure.measured for figure in figures}))


def _markdown(rows: list[list[str]], machine: dict[str, Any], days: list[str], note: str = "") -> str:
    heading, *others = rows
    shown = [f"| {' | '.join(cells)} |" for cells in (heading, ["---"] * len(heading), *others)]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    measured = (
        f"Measured {' to '.join(dict.fromkeys([days[0], days[-1]]))} on {machine['cores']} cores of {machine['cpu']}"
    )
    below = f"{note} {measured}, {machine['memory_gib']} GiB; Python {machine['python']}, {versions}.".strip()
    return "\n".join([*shown, "", below]) + "\n"


def fill(text: str, results: Path = RESULTS) -> str:
    """``text`` with every block filled whose figures were measured.

    Raises:
        ReportError: a block is not closed, or a result has no figure of that id.
    """
    if len(_OPENING.findall(text)) != len(_BLOCK.findall(text)):
        raise ReportError("a block '<!-- figures: ... -->' is not on a line of its own or has no '<!-- /figures -->'")

    def filled(match: re.Match[str]) -> str:
        path = results / f"{match['name']}.json"
        return f"{match[1]}{render(path)}{match[4]}" if path.exists() else match[0]

    def quoted(match: re.Match[str]) -> str:
        path = results / f"{match['name']}.json"
        return f"{match[1]}{value_of(path, match['id'])}{match[4]}" if path.exists() else match[0]

    if len(_INLINE_OPENING.findall(text)) != len(_INLINE.findall(text)):
        raise ReportError("a figure '<!-- figure: NAME ID -->' has no '<!-- /figure -->' on its line")
    return _INLINE.sub(quoted, _BLOCK.sub(filled, text))


def value_of(path: Path, id: str) -> str:
    """One value of a result, with its unit: of a table, what it calls a headline.

    Raises:
        ReportError: the result has none of that id.
    """
    data = json.loads(path.read_text(encoding="utf-8"))
    if "table" in data:
        values = {key: str(text) for key, text in data["details"].get("headlines", {}).items()}
    else:
        values = {figure.id: f"{number(figure.value)} {figure.value_unit}" for figure in load(path)[1]}
    if id not in values:
        raise ReportError(f"{path.name} has no figure {id!r}; it has {', '.join(sorted(values))}")
    return values[id]


def unmeasured(text: str, results: Path = RESULTS) -> list[str]:
    """The names of blocks in ``text`` that no result fills."""
    asked = [match["name"] for pattern in (_BLOCK, _INLINE) for match in pattern.finditer(text)]
    return [name for name in dict.fromkeys(asked) if not (results / f"{name}.json").exists()]


def main(root: Path = ROOT, results: Path = RESULTS) -> int:
    problems: list[str] = []
    for document in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if not document.exists():
            continue
        before = document.read_text(encoding="utf-8")
        try:
            after = fill(before, results)
        except ReportError as exc:
            problems.append(f"{document.name}: {exc}")
            continue
        for name in unmeasured(before, results):
            problems.append(f"{document.name}: no figures named {name!r}; measure them with benchmarks.{name}")
        if after != before:
            write_atomically(document, after)
            print(f"filled in {document.name}")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
