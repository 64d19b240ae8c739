"""The files of a data set, and their rows one after another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from multi_llm_comparator.core.encodings import Encoding, encoding_of
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.training.data.csv_rows import csv_rows
from multi_llm_comparator.training.data.json_rows import json_rows
from multi_llm_comparator.training.data.parquet_rows import parquet_rows
from multi_llm_comparator.training.data.rows import Row

MAX_FILE_BYTES = 16 * 2**30
MAX_FILES = 1_000
MAX_LOOKED_AT = 100_000
ENDINGS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
# What tools write beside the data, and is none.
_ABOUT = ("dataset_info*.json", "dataset_dict.json", "state.json", "package*.json", "*config.json")
_TRAIN = re.compile(r"(^|[^a-z])train(ing)?([^a-z]|$)", re.IGNORECASE)
_OTHER_SPLIT = re.compile(r"(^|[^a-z])(test|val|valid|validation|dev|eval)([^a-z]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The files to read, in their order; ``notes`` says what was left out. ``root`` shortens their names."""

    root: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        return sum(file.stat().st_size for file in self.files)

    def name_of(self, file: Path) -> str:
        """How messages call a file."""
        return repr(str(file if file == self.root else file.relative_to(self.root)))


def find_files(source: Path, patterns: Sequence[str] = ()) -> DataFiles:
    """The files of a data set: one, or those in a folder and the folders below it.

    Where files of a folder say that they are for training, those that say they are for validation or test are left out.

    Raises:
        DocumentError: there are none, too many, or they are too large.
    """
    try:
        if source.is_dir():
            found = _in_folder(source, patterns)
        elif not source.exists():
            raise DocumentError(f"cannot read {str(source)!r}: there is no such file or folder; check the path")
        elif not source.is_file():
            raise DocumentError(f"{str(source)!r} is no file; save the data to one first")
        else:
            found = DataFiles(source, (source,))
        for file in found.files:
            if file.stat().st_size > MAX_FILE_BYTES:
                raise DocumentError(f"{str(file)!r} is larger than {MAX_FILE_BYTES >> 30} GiB; split it")
    except OSError as exc:
        raise DocumentError(f"cannot read {str(source)!r}: {exc.strerror or exc}") from exc
    return found


def _in_folder(folder: Path, patterns: Sequence[str]) -> DataFiles:
    files = sorted(_walked(folder, patterns))
    if not files:
        wanted = f"that fit {', '.join(map(repr, patterns))}" if patterns else f"({', '.join(ENDINGS)})"
        raise DocumentError(f"{str(folder)!r} has no data files {wanted}")
    notes: list[str] = []
    names = {file: str(file.relative_to(folder)) for file in files}
    if not patterns and any(_TRAIN.search(name) for name in names.values()):
        other = [file for file, name in names.items() if _OTHER_SPLIT.search(name) and not _TRAIN.search(name)]
        files = [file for file in files if file not in set(other)]
        if other:
            notes.append(f"{len(other)} files are of another split and not read, such as {names[other[0]]!r}")
    return DataFiles(folder, tuple(files), tuple(notes))


def _walked(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    """Links are not followed, hidden names passed over."""
    looked_at = found = 0
    for place, folders, names in os.walk(folder, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            looked_at += 1
            path = Path(place, name)
            if looked_at > MAX_LOOKED_AT or found > MAX_FILES:
                raise DocumentError(f"{str(folder)!r} has too many files; name some, such as 'data/train-*'")
            if name.startswith(".") or path.is_symlink() or path.suffix.lower() not in ENDINGS:
                continue
            inner = path.relative_to(folder).as_posix()
            is_about = any(fnmatch(name, pattern) for pattern in _ABOUT)
            if any(fnmatch(inner, pattern) for pattern in patterns) if patterns else not is_about:
                found += 1
                yield path


def encoding_for(path: Path, wanted: str) -> Encoding:
    """The encoding of a file; of a Parquet file there is nothing to find out."""
    return Encoding("utf-8") if path.suffix.lower() == ".parquet" else encoding_of(path, wanted)


def rows_of_file(path: Path, name: str, encoding: Encoding) -> Iterator[Row]:
    """The rows of one file.

    Raises:
        DocumentError: it cannot be read, or not any further.
    """
    try:
        if path.suffix.lower() == ".parquet":
            yield from parquet_rows(path, name)
        elif path.suffix.lower() in (".csv", ".tsv"):
            with open_text(path, encoding, newline="") as file:
                yield from csv_rows(file, name)
        else:
            with open_text(path, encoding) as file:
                yield from json_rows(file, name)
    except OSError as exc:
        raise DocumentError(f"cannot read {str(path)!r}: {exc.strerror or exc}") from exc
    except UnicodeError as exc:
        raise DocumentError(f"{name} cannot be read as {encoding.name}: {exc}; choose its encoding") from exc


@contextmanager
def open_text(path: Path, encoding: Encoding, newline: str | None = None) -> Iterator[TextIO]:
    """A regular file as text; bytes that the encoding does not have become the replacement character."""
    with (
        open_regular(path) as raw,
        TextIOWrapper(raw, encoding=encoding.name, errors="replace", newline=newline) as file,
    ):
        yield file
