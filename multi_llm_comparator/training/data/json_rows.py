"""Rows of JSON files: a list, an object that holds one, or lines. Read piece by piece, so that a file may be large."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import first_character
from multi_llm_comparator.training.data.rows import MAX_ROW_CHARS, Row, as_row

PIECE_CHARS = 2**20
# An object that holds the list is read as a whole.
MAX_OBJECT_CHARS = 128 * 2**20
_NESTED = "it is nested too deep"
_DECODER = json.JSONDecoder()


def json_rows(file: TextIO, name: str) -> Iterator[Row]:
    """The rows of a file that is open at its beginning.

    Args:
        file: text that can be read again from its beginning.
        name: how a message calls it.

    Raises:
        DocumentError: a list that does not go on as JSON, or holds a row longer than ``MAX_ROW_CHARS``.
    """
    first = first_character(file)
    file.seek(0)
    if first == "[":
        yield from _list_rows(file, name)
        return
    if first == "{" and (held := _held_list(file)) is not None:
        yield from (as_row(f"entry {number}", value) for number, value in enumerate(held, 1))
        return
    file.seek(0)
    yield from _line_rows(file)


def _line_rows(file: TextIO) -> Iterator[Row]:
    for number, line in enumerate(iter(lambda: file.readline(MAX_ROW_CHARS + 1), ""), 1):
        place = f"line {number}"
        if len(line) > MAX_ROW_CHARS:
            while (rest := file.readline(MAX_ROW_CHARS)) and not rest.endswith("\n"):
                pass
            yield Row(place, None, f"it has more than {MAX_ROW_CHARS:,} characters")
        elif line.strip():
            yield _parsed(place, line)


def _parsed(place: str, text: str) -> Row:
    try:
        return as_row(place, json.loads(text))
    except RecursionError:
        return Row(place, None, _NESTED)
    except ValueError:
        return Row(place, None, "it is not JSON")


def _list_rows(file: TextIO, name: str) -> Iterator[Row]:
    """The entries of a list, without ever holding more than one and a piece of the file."""
    text, at, number = "", 0, 0
    piece_chars, is_first = PIECE_CHARS, True
    while True:
        at = _behind_spaces(text, at)
        if not is_first and text[at : at + 1] == "]":
            return
        if at < len(text) and text[at] in ("[" if is_first else ","):
            is_first, at = False, at + 1
            continue
        value, end = _value(text, at) if at < len(text) else (None, -1)
        # A number, or a value at the end of what was read, may go on.
        if end == -1 or end == len(text):
            piece = file.read(piece_chars)
            if not piece:
                why = f"after {number:,} entries the list does not go on as JSON, or does not end"
                yield Row(f"entry {number + 1}", None, why)
                return
            text, at = text[at:] + piece, 0
            # Twice as much each time, so that a long entry is not looked at again and again.
            piece_chars = min(MAX_ROW_CHARS, 2 * piece_chars)
            if len(text) > 2 * MAX_ROW_CHARS + PIECE_CHARS:
                raise DocumentError(
                    f"{name}, entry {number + 1}, is not JSON or has more than {MAX_ROW_CHARS:,} characters; correct "
                    "it, or take it out"
                )
            continue
        number, at, piece_chars = number + 1, end, PIECE_CHARS
        yield Row(f"entry {number}", None, _NESTED) if value is _TOO_DEEP else as_row(f"entry {number}", value)
        if value is _TOO_DEEP:
            return


_TOO_DEEP = object()


def _value(text: str, at: int) -> tuple[Any, int]:
    """A value and where it ends; -1 if it does not end in ``text``."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError:
        return _TOO_DEEP, at
    except ValueError:
        return None, -1


def _behind_spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _held_list(file: TextIO) -> list[Any] | None:
    """The one list of objects in a file that is one object over several lines; None for JSON lines."""
    try:
        json.loads(file.readline(MAX_ROW_CHARS))
        if not file.readline(PIECE_CHARS).strip():
            file.seek(0)
            return _only_list(json.loads(file.read(MAX_ROW_CHARS)))
        return None
    except (ValueError, RecursionError):
        file.seek(0)
    text = file.read(MAX_OBJECT_CHARS + 1)
    if len(text) > MAX_OBJECT_CHARS:
        return None
    try:
        return _only_list(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _only_list(value: Any) -> list[Any] | None:
    if not isinstance(value, dict):
        return None
    lists = [v for v in value.values() if isinstance(v, list) and v and isinstance(v[0], dict)]
    is_chat = any(name in value for name in ("messages", "conversations", "prompt", "chosen"))
    return lists[0] if len(lists) == 1 and not is_chat else None
