"""Records of a data file: a JSON list, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Protocol, TextIO

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.reading import open_regular

MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_LIST_BYTES = 128 * 1024 * 1024
MAX_LINE_CHARS = 16 * 1024 * 1024


class Identified(Protocol):
    @property
    def id(self) -> str: ...


def refuse_twins(path: Path, records: Iterable[Identified]) -> None:
    """Raises DocumentError: two records of a file have one id."""
    seen: set[str] = set()
    for record in records:
        if record.id in seen:
            raise DocumentError(
                f"{str(path)!r} has the id {record.id!r} twice; a resumed run could not tell them apart"
            )
        seen.add(record.id)


def read_records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each record with the words that name it in an error: the file, and its number (of a list) or line.

    Lines are read one at a time, a list as a whole; blank lines are passed over.

    Raises:
        DocumentError: the file cannot be read, is larger than ``MAX_FILE_BYTES`` or not JSON, or a record is not an
            object.
    """
    for where, record in _values(path):
        if not isinstance(record, dict):
            raise DocumentError(f"{where}, must be an object, not {type(record).__name__}")
        yield where, record


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        if path.exists() and not path.is_file():
            raise DocumentError(f"{str(path)!r} is no file; save the data to one first")
        _refuse_over(path, MAX_FILE_BYTES, "")
        with open_regular(path) as raw, TextIOWrapper(raw, encoding="utf-8-sig") as file:
            is_list = first_character(file) == "["
            file.seek(0)
            if is_list:
                _refuse_over(path, MAX_LIST_BYTES, " and one list, which is read as a whole: save it as JSON lines")
                for number, value in enumerate(json.load(file), 1):
                    yield f"{str(path)!r}, entry {number}", value
                return
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE_CHARS + 1), ""), 1):
                if len(line) > MAX_LINE_CHARS:
                    raise DocumentError(f"{str(path)!r}, line {number}, has more than {MAX_LINE_CHARS} characters")
                if line.strip():
                    yield (where := f"{str(path)!r}, line {number}"), _line(where, line)
    except OSError as exc:
        raise DocumentError(f"cannot read {str(path)!r}: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise DocumentError(f"{str(path)!r} is neither a JSON list nor JSON lines: {exc}") from exc


def _refuse_over(path: Path, most_bytes: int, why: str) -> None:
    if path.stat().st_size > most_bytes:
        raise DocumentError(f"{str(path)!r} is larger than {most_bytes // 2**20} MiB{why}")


def first_character(file: TextIO) -> str:
    """The first one that is no space, empty if there is none."""
    while (text := file.read(1024)) and text.isspace():
        pass
    return text.lstrip()[:1]


def _line(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise DocumentError(f"{where}, is not JSON: {exc}; wanted is a list, or one object a line") from exc
