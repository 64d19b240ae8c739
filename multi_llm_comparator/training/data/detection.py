"""Which form a data set has, found out by looking at its first rows, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.training.data.formats import FITS, examples_of
from multi_llm_comparator.training.data.spec import ColumnMapping, Format
from multi_llm_comparator.training.data.turns import Unusable

LOOKED_AT = 200
MAX_COLUMNS_SHOWN = 100
_WORDS: dict[Format, str] = {
    "messages": "messages with role/content",
    "sharegpt": "conversations with from/value",
    "alpaca": "instruction with an output",
    "prompt_completion": "a prompt with a completion",
    "preference": "chosen and rejected answers",
    "columns": "the chosen columns",
}


@dataclass(frozen=True, slots=True)
class Detection:
    """``matched`` of the first ``looked_at`` rows fit ``format``; ``usable`` of them can be learnt from.

    ``columns`` are the names of the fields that rows have, the most frequent first. ``is_mixed``: others have another
    form, and each row is read by its own.
    """

    format: Format
    matched: int
    usable: int
    looked_at: int
    columns: tuple[str, ...]
    is_mixed: bool = False

    @property
    def needs_mapping(self) -> bool:
        """No row fits a known form: a person has to say which columns are what."""
        return self.format == "auto"

    @property
    def is_preference(self) -> bool:
        return self.format == "preference"

    @property
    def reason(self) -> str:
        """``messages with role/content in 200 of 200 rows``."""
        if self.needs_mapping:
            return f"none of the known forms in {self.looked_at} rows"
        return f"{_WORDS[self.format]} in {self.matched} of {self.looked_at} rows"


def detect(rows: Sequence[Mapping[str, Any]], wanted: Format, mapping: ColumnMapping | None) -> Detection:
    """Find the form of these rows, or look how many fit the form that is ``wanted``."""
    rows = rows[:LOOKED_AT]
    columns = Counter(str(name)[:200] for row in rows for name in row)
    names = tuple(name for name, _ in columns.most_common(MAX_COLUMNS_SHOWN))
    found = Counter(next((name for name, fits in FITS.items() if fits(row)), "auto") for row in rows)
    known = [(name, count) for name, count in found.most_common() if name != "auto"]
    if wanted == "auto" and not known:
        return Detection("auto", 0, 0, len(rows), names)
    form: Format = known[0][0] if wanted == "auto" else wanted  # type: ignore[assignment]
    usable = sum(_is_usable(row, form, mapping) for row in rows)
    matched = usable if form == "columns" else found[form]
    is_mixed = wanted == "auto" and form != "preference" and len([n for n, _ in known if n != "preference"]) > 1
    return Detection(form, matched, usable, len(rows), names, is_mixed)


def _is_usable(row: Mapping[str, Any], form: Format, mapping: ColumnMapping | None) -> bool:
    try:
        return bool(examples_of(row, form, mapping))
    except Unusable:
        return False
