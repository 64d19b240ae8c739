"""Series in text: ``name: label: value, label: value``, with the name on a line of its own or before its values.

The lines may be indented, be list items, and use Chinese signs. A value may have a unit behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from multi_llm_comparator.applications.insight.figures import Series
from multi_llm_comparator.applications.insight.labels import are_times, split_unit
from multi_llm_comparator.applications.numbers import plain_digits
from multi_llm_comparator.applications.reading.pieces import Place
from multi_llm_comparator.applications.reading.texts import BULLET

_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_PARTED = re.compile(r"[,，;；、\t|]|\s{2,}|(?<=[^\d\s:：=])\s+(?=[^\s:：=]{1,20}\s*[:：=]\s*[-+]?\d)")
_NUMBER = r"([-+]?\d+(?:\.\d+)?)"
_UNIT = r"\s*([^\d\s,，;；:：()（）]{0,12}(?:\s?/\s?\w{1,8})?)"
# A label may begin with a digit (1月) but is no number alone, unless a colon follows it.
_WITH_COLON = re.compile(rf"^(.{{1,60}}?)\s*[:：=]\s*[$€£¥￥]?{_NUMBER}{_UNIT}[.。]?$")
_WITHOUT = re.compile(rf"^([^\d:：]{{1,30}}|\S{{1,12}}\s)\s*[$€£¥￥]?{_NUMBER}{_UNIT}[.。]?$")
_HEADING = re.compile(r"^(.{1,80}?)\s*[:：]\s*$|^#{1,6}\s+(.{1,80})$")
MAX_LINES = 200_000
MAX_POINTS = 100_000


@dataclass
class _Block:
    """The values under one name."""

    name: str
    row: int
    pairs: list[tuple[str, float, str]] = field(default_factory=list)


def series_in(text: str) -> tuple[str, list[Series]]:
    """The title of a text, if it has one, and its series in their order."""
    title = ""
    blocks: list[_Block] = [_Block("", 1)]
    points = 0
    for row, line in enumerate(plain_digits(text).split("\n")[:MAX_LINES], start=1):
        line = BULLET.sub("", line, count=1).strip() if not _starts_with_value(line) else line.strip()
        if not line:
            continue
        if heading := _HEADING.match(line):
            if blocks[-1].name and not blocks[-1].pairs:
                title = title or blocks[-1].name
            blocks.append(_Block((heading[1] or heading[2]).strip(), row))
            continue
        name, pairs = _pairs(line)
        if name:
            blocks.append(_Block(name, row))
        points += len(pairs)
        if points > MAX_POINTS:
            break
        blocks[-1].pairs += pairs
    return title, [series for block in blocks for series in _series(block, title)]


def _starts_with_value(line: str) -> bool:
    """Whether what looks like a list's mark is a value's label: ``1. 5`` is, ``2024: 3`` has none."""
    return bool(re.match(r"\s*\d{1,3}[.、]?\s*[:：=]", line))


def _pairs(line: str) -> tuple[str, list[tuple[str, float, str]]]:
    """The name that the line begins with, if any, and its labels with values and units."""
    name = ""
    pairs: list[tuple[str, float, str]] = []
    with_colon = 0
    for segment in filter(None, (part.strip() for part in _PARTED.split(_THOUSANDS.sub("", line)))):
        found = _WITH_COLON.match(segment)
        if found:
            with_colon += 1
            label = found[1].strip()
            outer, colon, inner = label.rpartition(":") if ":" in label else label.rpartition("：")
            if colon and not pairs and outer.strip() and inner.strip():
                name, label = outer.strip(), inner.strip()
        else:
            found = _WITHOUT.match(segment)
            if not found:
                continue
            label = found[1].strip()
        pairs.append((label, float(found[2]), found[3].strip()))
    return name, pairs if with_colon or len(pairs) > 1 else []


def _series(block: _Block, title: str) -> Iterator[Series]:
    name, unit = split_unit(block.name or title)
    by_unit: dict[str, list[tuple[str, float]]] = {}
    for label, value, own_unit in block.pairs:
        by_unit.setdefault(own_unit or unit, []).append((label, value))
    for own_unit, pairs in by_unit.items():
        labels = tuple(label for label, _ in pairs)
        yield Series(
            name=name or labels[0],
            unit=own_unit,
            labels=labels,
            values=tuple(value for _, value in pairs),
            is_ordered=are_times(labels),
            place=Place(row=block.row),
        )
