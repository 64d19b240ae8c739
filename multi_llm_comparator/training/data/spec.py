"""What one may choose about training data: where it is, how it is read, cleaned and split."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Format = Literal["auto", "messages", "sharegpt", "alpaca", "prompt_completion", "preference", "columns"]
Rule = Literal[
    "invalid",
    "beyond_text",
    "empty",
    "encoding",
    "leftovers",
    "refusal",
    "too_long",
    "exact_duplicate",
    "near_duplicate",
    "in_validation",
    "contaminated",
]
MAX_ROWS = 1_000_000
# What the name of a data set of the Hub begins with.
HUB = "hf:"
MAX_COLUMN_CHARS = 200
_Column = Field(default=None, max_length=MAX_COLUMN_CHARS)


class _Chosen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnMapping(_Chosen):
    """Which columns say what, where the form is none of the known ones.

    Either ``conversation`` is a column that holds a list of turns, or ``user`` and ``assistant`` name columns of text;
    several ``user`` columns are joined by line breaks. A name with dots leads into nested objects.
    """

    system: str | None = _Column
    system_text: str = Field(default="", max_length=100_000, description="a system message for rows that have none")
    user: tuple[str, ...] = Field(default=(), max_length=16)
    assistant: str | None = _Column
    rejected: str | None = Field(default=None, max_length=MAX_COLUMN_CHARS, description="makes pairs of the rows")
    conversation: str | None = _Column
    role_key: str = Field(default="role", max_length=MAX_COLUMN_CHARS)
    content_key: str = Field(default="content", max_length=MAX_COLUMN_CHARS)


class Cleaning(_Chosen):
    """Which rows are left out. What is found is counted in any case; what cannot be learnt at all (invalid rows,
    images and tools, rows without an answer) is always left out.

    Args:
        exact_duplicates: the same messages again; case and white space do not count.
        near_duplicates: at least ``near_threshold`` of their word triples (Jaccard) in common with a row before.
        encoding: mojibake, replacement and control characters.
        leftovers: marks of chat templates, and placeholders that nobody filled in.
        refusals: answers that refuse. Off: a model should learn some of them.
        placeholders: what to put in place of ``{{name}}``, before anything else is looked at.
    """

    exact_duplicates: bool = True
    near_duplicates: bool = True
    near_threshold: float = Field(default=0.85, ge=0.5, le=1.0)
    encoding: bool = True
    leftovers: bool = True
    refusals: bool = False
    contaminated: bool = False
    placeholders: dict[str, str] = Field(default_factory=dict, max_length=64)


class SplitSpec(_Chosen):
    """What is kept aside to measure with: a ``share`` of the rows, or a file of its own (``path``).

    Args:
        share: of the rows; 0 keeps nothing aside.
        path: rows to validate with; ``share`` does not count then.
        group_by: a column; rows with the same value stay on one side.
        seed: of the choice.
        max_rows: so many are kept aside at most, since each evaluation computes them all.
    """

    share: float = Field(default=0.05, ge=0.0, le=0.5)
    path: str | None = Field(default=None, max_length=4096)
    group_by: str | None = _Column
    seed: int = Field(default=0, ge=0, lt=2**32)
    max_rows: int = Field(default=500, ge=1, le=MAX_ROWS)


class DataSpec(_Chosen):
    """A data set to learn from.

    Args:
        source: a file (``.json``, ``.jsonl``, ``.csv``, ``.tsv``, ``.parquet``), a folder of such, or ``hf:owner/name``
            (``hf:owner/name@revision``) for a data set of the Hub.
        files: patterns such as ``data/train-*`` of what is read of a folder or a data set of the Hub; none for all
            that look like training data.
        format: how rows are read; ``auto`` finds out by looking.
        mapping: for the format ``columns``.
        encoding: of text files; empty means that it is found out.
        contamination: evaluation sets, as files or folders, that the data must not contain.
        max_rows: only so many rows are read.
    """

    source: str = Field(min_length=1, max_length=4096)
    files: tuple[str, ...] = Field(default=(), max_length=64)
    format: Format = "auto"
    mapping: ColumnMapping | None = None
    encoding: str = Field(default="", max_length=40)
    cleaning: Cleaning = Cleaning()
    split: SplitSpec = SplitSpec()
    contamination: tuple[str, ...] = Field(default=(), max_length=32)
    max_rows: int = Field(default=MAX_ROWS, ge=1, le=MAX_ROWS)
