"""Tables as CSV that spreadsheets read and do not run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What makes a spreadsheet take a cell for a formula; such text gets an apostrophe in front.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# What lets spreadsheets read Chinese.
BYTE_ORDER_MARK = "\ufeff"


def csv_text(rows: Iterable[Mapping[str, Any]], *, names: Sequence[str] = (), line_end: str = "\r\n") -> str:
    """One line for each row under a heading: ``names``, or all that the rows have."""
    written, rows = io.StringIO(), list(rows)
    heading = list(names) or list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(written, fieldnames=heading, lineterminator=line_end)
    # Names of columns are others' words as well.
    writer.writerow({name: _harmless(name) for name in heading})
    writer.writerows({name: _harmless(cell) for name, cell in row.items()} for row in rows)
    return written.getvalue()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
