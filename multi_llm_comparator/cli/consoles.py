"""Where commands print: results on standard output, everything else on standard error."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from multi_llm_comparator.core.plain_text import PlainConsole


def print_json(value: Any) -> None:
    """One JSON value on standard output; dataclasses and models as objects, paths and the like as text."""
    print(json.dumps(value, ensure_ascii=False, default=_plain), flush=True)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    # Asked for by name: to import pydantic would make each --help slower.
    if callable(dump := getattr(value, "model_dump", None)):
        return dump(mode="json")
    return dict(value) if isinstance(value, Mapping) else str(value)


output = PlainConsole(markup=False, highlight=False, soft_wrap=True)
messages = PlainConsole(stderr=True, markup=False, highlight=False)


def print_table(columns: Iterable[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on standard output, with long cells folded."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    output.print(table)


def say(text: str, as_json: bool, data: Mapping[str, Any]) -> None:
    """What was done: as one JSON value where that is wanted, else in words, which are no result."""
    if as_json:
        print_json(data)
    else:
        messages.print(text)
