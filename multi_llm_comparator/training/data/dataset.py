"""A data set opened for reading: its rows, and the chats or pairs that they are."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.encodings import Encoding
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.chats import Chat, Example
from multi_llm_comparator.training.data.detection import LOOKED_AT, Detection, detect
from multi_llm_comparator.training.data.files import DataFiles, encoding_for, find_files, rows_of_file
from multi_llm_comparator.training.data.formats import examples_of, group_of
from multi_llm_comparator.training.data.left_out import LeftOut
from multi_llm_comparator.training.data.rows import Row
from multi_llm_comparator.training.data.spec import HUB, MAX_ROWS, DataSpec, Rule
from multi_llm_comparator.training.data.turns import Unusable

MAX_EXCERPT_CHARS = 300


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be learnt from, the rule that it is counted under, why, and how it begins."""

    rule: Rule
    why: str
    where: str
    number: int
    excerpt: str


class Dataset:
    """Rows of files, read anew each time: nothing of them stays in memory.

    ``detection`` says which form they have and why, ``notes`` what a person should know (guessed encodings, files that
    are not read), ``sample`` are the first rows as they are.
    """

    def __init__(self, spec: DataSpec, files: DataFiles) -> None:
        self.spec, self.files = spec, files
        self._encodings: dict[Path, Encoding] = {}
        self.notes: tuple[str, ...] = files.notes
        for file in files.files:
            encoding = self._encodings[file] = encoding_for(file, spec.encoding)
            if encoding.note:
                self.notes = (*self.notes, f"{files.name_of(file)}: {encoding.note}")
        looked_at = itertools.islice((row.value for _, row in self._rows() if row.value is not None), LOOKED_AT)
        self.sample: tuple[Mapping[str, Any], ...] = tuple(looked_at)
        self.detection: Detection = detect(self.sample, spec.format, spec.mapping)

    @property
    def name(self) -> str:
        return repr(str(self.files.root))

    @property
    def about_rows(self) -> int | None:
        """How many rows it has, estimated by the length of the first ones; None where there is no telling."""
        if not self.sample or any(file.suffix.lower() == ".parquet" for file in self.files.files):
            return None
        mean_chars = sum(len(str(row)) for row in self.sample) / len(self.sample)
        return min(self.spec.max_rows, max(1, round(self.files.size_bytes / mean_chars)))

    def __iter__(self) -> Iterator[Example | Refused]:
        """All that the rows teach, or why not; in the order of the files.

        Raises:
            DocumentError: a file cannot be read any further, or there are more rows than are read.
        """
        # Found out, chats may come in several forms: each row is read by its own.
        form = "preference" if self.detection.is_preference else self.spec.format
        for number, (where, row) in enumerate(self._rows(), 1):
            if number > min(MAX_ROWS, self.spec.max_rows):
                if number <= MAX_ROWS:
                    return
                raise DocumentError(f"{self.name} has more than {MAX_ROWS:,} records; split it, or set max_rows")
            if row.value is None:
                yield Refused("invalid", row.problem, where, number, "")
                continue
            try:
                examples = examples_of(row.value, form, self.spec.mapping)
            except Unusable as exc:
                yield Refused(exc.rule, str(exc), where, number, excerpt(row.value))
                continue
            group = group_of(row.value, self.spec.split.group_by)
            for example in examples:
                yield replace(example, where=where, number=number, group=group)

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for file in self.files.files:
            name = self.files.name_of(file)
            for row in rows_of_file(file, name, self._encodings[file]):
                yield f"{name}, {row.place}", row


def open_dataset(spec: DataSpec) -> Dataset:
    """Open the data set that ``spec`` names.

    A data set of the Hub must have been fetched before: see :mod:`training.data.hub_data`.

    Raises:
        DocumentError: it cannot be read.
    """
    if spec.source.startswith(HUB):
        raise DocumentError(f"{spec.source!r} is on the Hub; fetch it first, and name the folder that it came to")
    return _opened(spec, Path(spec.source).expanduser())


def _opened(spec: DataSpec, source: Path) -> Dataset:
    try:
        return Dataset(spec, find_files(source, spec.files))
    except OSError as exc:
        raise DocumentError(f"cannot read {str(source)!r}: {exc.strerror or exc}") from exc


@dataclass(frozen=True, slots=True)
class InstructionData:
    """The chats of a file, and the records that cannot be learnt from."""

    chats: tuple[Chat, ...]
    left_out: LeftOut


def read_instruction_data(path: str | Path) -> InstructionData:
    """Read all chats of a file or folder as they are. A row that cannot be used is left out and counted.

    Raises:
        DocumentError: the file cannot be read, or has nothing to learn from.
    """
    # Not by a specification: the name of a file may be no text.
    dataset = _opened(DataSpec(source="."), Path(path))
    chats: list[Chat] = []
    left_out = LeftOut()
    for found in dataset:
        if isinstance(found, Chat):
            chats.append(found)
        elif isinstance(found, Refused):
            left_out.add(found.why, found.where)
        else:
            raise DocumentError(f"{dataset.name} has pairs of answers, not chats: they are for the method 'dpo'")
    if not chats:
        raise DocumentError(f"{dataset.name} has nothing to learn from: {left_out if len(left_out) else 'it is empty'}")
    return InstructionData(tuple(chats), left_out)


def excerpt(value: object) -> str:
    """How a row begins, in one line."""
    try:
        text = repr(value) if not isinstance(value, str) else value
    except RecursionError:
        return "…"
    line = " ".join(text[: 4 * MAX_EXCERPT_CHARS].split())
    return line if len(line) <= MAX_EXCERPT_CHARS else f"{line[: MAX_EXCERPT_CHARS - 1]}…"
