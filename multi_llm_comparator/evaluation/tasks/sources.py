"""Where the rows of a task come from: a folder as its authors publish it, or the Hub."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import read_records
from multi_llm_comparator.core.reading import read_text

MAX_FILE_BYTES = 256 * 2**20
MAX_ROWS = 1_000_000
MAX_CELL_CHARS = 200_000
HUB = "hub"

Row = Mapping[str, Any]


def csv_rows(path: Path, names: Sequence[str] | None = None) -> list[dict[str, str]]:
    """Rows of a CSV file, whose cells may hold line ends; ``names`` where it has no heading.

    Raises:
        DocumentError: it cannot be read, is too large, or a row has another number of cells.
    """
    text = text_of(path)
    rows = []
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        heading = list(names) if names else next(reader, [])
        for row in reader:
            if not row:
                continue
            if len(row) != len(heading):
                raise DocumentError(
                    f"{str(path)!r}, line {reader.line_num}: {len(row)} cells where {len(heading)} are expected"
                )
            rows.append(dict(zip(heading, row, strict=True)))
            if len(rows) > MAX_ROWS or max(map(len, row)) > MAX_CELL_CHARS:
                raise DocumentError(f"{str(path)!r} has more than {MAX_ROWS} rows or a cell that is too long")
    except csv.Error as exc:
        raise DocumentError(f"{str(path)!r} is not readable as CSV: {exc}") from exc
    return rows


def json_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSON list or of JSON lines.

    Raises:
        DocumentError: it cannot be read, or is too large.
    """
    rows: list[dict[str, Any]] = []
    for _, record in read_records(path):
        rows.append(record)
        if len(rows) > MAX_ROWS:
            raise DocumentError(f"{str(path)!r} has more than {MAX_ROWS} rows")
    return rows


def hub_rows(dataset: str, subset: str, split: str) -> list[dict[str, Any]]:
    """Rows of a data set on the Hub, which is fetched once and kept by ``datasets``. Its code is never run.

    Raises:
        DocumentError: it cannot be fetched.
    """
    import datasets

    try:
        rows = datasets.load_dataset(dataset, subset, split=split, trust_remote_code=False)
    except Exception as exc:
        # Its errors are of a dozen libraries.
        raise DocumentError(
            f"{dataset!r} ({subset}, {split}) cannot be fetched from the Hub: {str(exc)[:300]}; "
            "check the connection, or give a local folder"
        ) from exc
    return [dict(row) for row, _ in zip(rows, range(MAX_ROWS), strict=False)]


def folder_with(root: Path, *candidates: str) -> Path:
    """The first of the places below ``root`` that is a folder.

    Raises:
        DocumentError: none is.
    """
    for candidate in candidates:
        if (folder := root / candidate).is_dir():
            return folder
    raise DocumentError(f"{str(root)!r} has none of the folders {', '.join(map(repr, candidates))}")


def subjects_in(folder: Path, ending: str) -> list[str]:
    """Names of the subjects that have a file in ``folder``, in alphabetical order."""
    return sorted(path.name.removesuffix(ending) for path in folder.glob(f"*{ending}"))


def chosen_subjects(known: Sequence[str], wanted: Sequence[str], where: str) -> Iterator[str]:
    """Those that are wanted, all where none is named.

    Raises:
        DocumentError: one is not there, or none at all.
    """
    if not known:
        raise DocumentError(f"{where} has no subject; look whether it is the folder that the task is published in")
    if missing := [name for name in wanted if name not in known]:
        raise DocumentError(f"{where} has no subject {missing[0]!r}; it has {', '.join(known[:80])}")
    yield from (name for name in known if not wanted or name in wanted)


def text_of(path: Path) -> str:
    """A text file. Raises DocumentError: it cannot be read, or is too large."""
    try:
        return read_text(path, MAX_FILE_BYTES).removeprefix("\ufeff")
    except (OSError, ValueError) as exc:
        raise DocumentError(f"{str(path)!r} cannot be read: {exc}") from exc
