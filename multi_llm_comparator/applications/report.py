"""A service's result as blocks that every kind of file writes in its own way, and escapes in its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.applications.insight.wording import values_table
from multi_llm_comparator.applications.results import DataInsight, DocumentAnalysis, Result
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.words import remark_sentence, words_of
from multi_llm_comparator.core.readable import NOTHING, Language, count, iso_time, seconds

# Of the data, what files show that people read; JSON has all.
MAX_VALUES = 2_000
_HEADING = re.compile(r"^(#{2,4}) (.+)$")
_ITEM = re.compile(r"^( *)[-*] (.+)$")
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]<>#|~!&])")
_SPAN = re.compile(r"~~(.+?)~~|\*\*(.+?)\*\*")


@dataclass(frozen=True, slots=True)
class Block:
    """A heading or list item of a level from 1, a paragraph, or a row of a table (the first one names the columns)."""

    kind: Literal["heading", "paragraph", "item", "row"]
    text: str = ""
    level: int = 1
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Text in a line, struck out or strong."""

    text: str
    is_struck: bool = False
    is_strong: bool = False


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a result's text."""
    for line in text.split("\n"):
        if not line.strip():
            continue
        if heading := _HEADING.match(line):
            yield Block("heading", heading[2], len(heading[1]) - 1)
        elif item := _ITEM.match(line):
            yield Block("item", item[2], 1 + len(item[1]) // 2)
        elif line.startswith("| ") and line.endswith(" |"):
            cells = re.split(r"(?<!\\) \| ", line[2:-2])
            if set("".join(cells)) - {"-"}:
                yield Block("row", cells=tuple(_ESCAPED.sub(r"\1", cell) for cell in cells))
        else:
            yield Block("paragraph", line.strip())


def spans_of(text: str) -> Iterator[TextSpan]:
    """A line's text, with what is struck out or strong parted from the rest."""
    at = 0
    for match in _SPAN.finditer(text):
        if match.start() > at:
            yield TextSpan(text[at : match.start()])
        yield TextSpan(match[1] or match[2], is_struck=match[1] is not None, is_strong=match[2] is not None)
        at = match.end()
    if at < len(text):
        yield TextSpan(text[at:])


def report_of(snapshot: ServiceSnapshot, language: Language) -> list[Block]:
    """Everything that a reader wants of a run: what was asked, the result, its sources or data, and what to know of it.

    ``language`` is that of the headings around the result, which has a language of its own.
    """
    say, spec, result = words_of(language), snapshot.spec, snapshot.result
    facts = [
        f"{say('created')}: {iso_time(snapshot.created_at)}",
        f"{say('document')}: {spec.name or say('pasted')}",
        *([f"{say('question')}: {spec.question}"] if spec.question else []),
        f"{say('model')}: {', '.join(snapshot.answered_by) or spec.target or say('nobody')}",
        *_measures(result, language),
        f"{say('took')}: {seconds(snapshot.worked_s, language)}",
    ]
    blocks = [Block("item", fact) for fact in facts]
    if snapshot.error:
        blocks.append(Block("paragraph", snapshot.error))
    if result is None:
        return blocks
    blocks += blocks_of(result.text)
    if isinstance(result, DocumentAnalysis) and result.claims:
        blocks += [Block("heading", say("sources")), *_sources(result, language)]
    if isinstance(result, DataInsight):
        names, rows = values_table(result.data, language)
        blocks += [Block("heading", say("data")), Block("row", cells=tuple(names))]
        blocks += [Block("row", cells=tuple(row)) for row in rows[:MAX_VALUES]]
    if result.remarks:
        blocks.append(Block("heading", say("remarks")))
        blocks += [Block("item", remark_sentence(remark, language)) for remark in result.remarks]
    return blocks


def _measures(result: Result | None, language: Language) -> list[str]:
    say = words_of(language)
    if isinstance(result, DataInsight):
        return [f"{say('data_points')}: {count(result.data_points)}"]
    return [] if result is None else [f"{say('length')}: {say('words_n', n=count(result.document_length))}"]


def _sources(result: DocumentAnalysis, language: Language) -> Iterator[Block]:
    say = words_of(language)
    yield Block("row", cells=("#", say("place"), say("statement"), say("quote"), ""))
    for number, claim in enumerate(result.claims, start=1):
        place = claim.place.words(language) if claim.place else NOTHING
        yield Block("row", cells=(str(number), place, claim.text, claim.quote, say(f"state_{claim.state}")))
