"""Prompt sets as files: CSV (a column for each variable), JSON lines, or one JSON document with all of a set."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, Literal

from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.exceptions import DocumentError, RequestRefusedError
from multi_llm_comparator.core.image_data import MAX_IMAGE_BYTES, data_url
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, FORMULA_STARTS, csv_text
from multi_llm_comparator.evaluation.prompt_sets import (
    LETTERS,
    MAX_NAME_CHARS,
    MAX_ROWS,
    MAX_SET_CHARS,
    MAX_VARIABLES,
    NEEDS_EXPECTED,
    Comparison,
    PromptRow,
    PromptSet,
    checked_set,
    choice_named,
    choices_in,
    names_in,
)
from multi_llm_comparator.tracking.rows import storable

MAX_FILE_BYTES = 16 * 2**20
FileFormat = Literal["csv", "jsonl", "json"]
FILE_FORMATS: tuple[FileFormat, ...] = ("csv", "jsonl", "json")
FORMAT = "multi-llm-comparator prompt set"
# Under which names other tools keep the same.
_ALSO = {
    "question": "prompt",
    "input": "prompt",
    "query": "prompt",
    "answer": "expected",
    "target": "expected",
    "reference": "expected",
    "compare": "compare",
    "comparison": "compare",
    "tag": "tags",
    "image": "images",
}
_OWN = ("id", "prompt", "expected", "compare", "tags", "cluster")


def read_prompt_set(data: bytes, file_name: str, folder: Path | None = None) -> PromptSet:
    """A set from a file's bytes; its format shows in the name's ending.

    CSV needs a heading; the columns ``id``, ``prompt`` (or question, input, query), ``expected`` (or answer, target,
    reference), ``compare``, ``tags`` (parted by ``;`` or ``,``), ``cluster`` and ``images`` (or image: ``data:`` URLs
    or, with a ``folder``, paths of files in it) are known, any other is a variable. JSON lines have the same fields.
    What has something expected and does not say how to compare is compared exactly; a question with columns A, B, ...
    (or a list ``choices``), one of which is expected, is a choice.

    Raises:
        DocumentError: too large, unreadable, or wrong in a row, which is named.
    """
    what, ending = repr(file_name), PurePath(file_name).suffix.lower()
    if len(data) > MAX_FILE_BYTES:
        raise DocumentError(f"{what} has {len(data)} bytes; at most {MAX_FILE_BYTES} are read")
    name = (PurePath(file_name).stem.strip() or "prompts")[:MAX_NAME_CHARS]
    if ending == ".json" and _is_document(data):
        return _from_document(data, what)
    readers: Mapping[str, Callable[[bytes, str], Iterable[Mapping[str, Any]]]] = {
        ".csv": _csv_rows,
        ".jsonl": _json_lines,
        ".json": _json_list,
    }
    if ending not in readers:
        raise DocumentError(f"{what} is none of {', '.join(readers)}; save the prompts as one of these")
    rows = [row_from(number, entry, what, folder) for number, entry in enumerate(readers[ending](data, what), 1)]
    return checked_set(what, name=name, rows=rows)


def prompt_set_file(prompts: PromptSet, format: FileFormat) -> bytes:
    """A set as a file that :func:`read_prompt_set` takes. JSON alone keeps name, note, template and system prompt."""
    if format == "json":
        document = {"format": FORMAT, **prompts.model_dump(mode="json", exclude={"id"})}
        return json.dumps(document, ensure_ascii=False, indent=2).encode()
    rows = [_flat(prompts, row) for row in prompts.rows]
    if format == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    names = list(dict.fromkeys((*_OWN, *(name for row in rows for name in row))))
    return (BYTE_ORDER_MARK + csv_text(rows, names=names)).encode()


def row_from(number: int, entry: Mapping[str, Any], what: str, folder: Path | None = None) -> dict[str, Any]:
    """The fields of a :class:`PromptRow` from a row of a table, the ``number``-th."""
    row: dict[str, Any] = {"id": str(number), "variables": {}}
    for name, value in entry.items():
        key = str(name or "").strip()
        known = _ALSO.get(key.lower(), key.lower())
        if known == "choices" and isinstance(value, list):
            row["variables"] |= _choices(value, f"{what}, row {number}")
            continue
        if known == "images":
            row["images"] = _images(value, f"{what}, row {number}", folder)
            continue
        text = _text(value, f"{what}, row {number}, {key!r}")
        if known == "tags":
            row["tags"] = tuple(dict.fromkeys(t for part in text.replace(",", ";").split(";") if (t := part.strip())))
        elif known in _OWN and known not in row.keys() - {"id"}:
            if known != "id" or text.strip():
                row[known] = text.strip() if known in ("id", "compare", "cluster") else text
        elif key:
            row["variables"][key] = text
    if isinstance(entry.get("choices"), list) and (letter := _letter(entry)) is not None:
        row["expected"] = letter
    compare = str(row.get("compare") or "").lower().replace(" ", "_").replace("-", "_")
    row["compare"] = compare or _usual_comparison(row)
    if row["compare"] in NEEDS_EXPECTED and not row.get("expected", "").strip():
        raise DocumentError(f"{what}, row {number}, compares by {row['compare']!r} but expects nothing")
    return row


def _choices(values: list[Any], where: str) -> dict[str, str]:
    """The variables A, B, C, ... of a list of choices, as data sets for models have it."""
    if not 1 < len(values) <= len(LETTERS):
        raise DocumentError(f"{where}: 'choices' has {len(values)} entries; give 2 to {len(LETTERS)}")
    return {letter: _text(value, f"{where}, 'choices'") for letter, value in zip(LETTERS, values, strict=False)}


def _images(value: Any, where: str, folder: Path | None) -> tuple[str, ...]:
    """The images of a row as ``data:`` URLs: a list of them, or one text with blanks between."""
    names = value if isinstance(value, list) else str(value or "").split()
    found = []
    for name in names:
        if not isinstance(name, str):
            raise DocumentError(f"{where}: 'images' must be texts")
        if name.startswith("data:") or folder is None:
            found.append(name)
            continue
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise DocumentError(f"{where}: the image {name!r} is not in {str(folder)!r}")
        try:
            found.append(data_url(read_bytes(path, MAX_IMAGE_BYTES)))
        except (OSError, RequestRefusedError) as exc:
            raise DocumentError(f"{where}: the image {name!r} cannot be used: {exc}") from exc
    return tuple(found)


def _letter(entry: Mapping[str, Any]) -> str | None:
    """The letter of an answer that is given as a number, counted from 0."""
    answer = entry.get("answer", entry.get("expected"))
    is_place = isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(entry["choices"])
    return LETTERS[answer] if is_place else None


def _usual_comparison(row: Mapping[str, Any]) -> Comparison:
    """How a row compares that does not say so: a question with lettered choices, as published data sets have them, is
    known by its columns."""
    expected, prompt = str(row.get("expected") or "").strip(), str(row.get("prompt") or "")
    if not expected:
        return "none"
    choices = choices_in(row["variables"]) if prompt and "A" not in names_in(prompt) else ()
    return "choice" if len(choices) > 1 and choice_named(expected, choices) is not None else "exact"


def _text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return ";".join(map(storable, value))
    if isinstance(value, dict):
        return storable(json.dumps(value, ensure_ascii=False))
    raise DocumentError(f"{where} must be a text or a number, not {type(value).__name__}")


def _csv_rows(data: bytes, what: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(_decoded(data, what), newline=""), restkey="", strict=True)
    csv.field_size_limit(MAX_SET_CHARS)
    try:
        heading = reader.fieldnames = [_as_written(name.strip()) for name in reader.fieldnames or ()]
        if len(heading) > len(_OWN) + MAX_VARIABLES:
            raise DocumentError(f"{what} has {len(heading)} columns; at most {len(_OWN) + MAX_VARIABLES} are read")
        if len(set(heading)) != len(heading) or not all(heading):
            raise DocumentError(f"{what}: each column needs a name of its own in the first line")
        for number, row in enumerate(reader, 1):
            if number > MAX_ROWS:
                raise DocumentError(f"{what} has more than {MAX_ROWS} rows")
            if row.pop("", None):
                raise DocumentError(f"{what}, row {number}, has more cells than the first line has names")
            if any((cell or "").strip() for cell in row.values()):
                yield {name: _as_written(cell or "") for name, cell in row.items()}
    except csv.Error as exc:
        raise DocumentError(f"{what} is not readable as CSV near line {reader.line_num}: {exc}") from exc


def _as_written(cell: str) -> str:
    """Without the apostrophe that keeps spreadsheets from running a cell (see :func:`csv_text`)."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS) else cell


def _json_lines(data: bytes, what: str) -> Iterator[Mapping[str, Any]]:
    number = 0
    for line in _decoded(data, what).split("\n"):
        if line.strip():
            number += 1
            if number > MAX_ROWS:
                raise DocumentError(f"{what} has more than {MAX_ROWS} rows")
            yield _object(read_json(line.encode(), f"{what}, row {number}", MAX_FILE_BYTES), f"{what}, row {number}")


def _json_list(data: bytes, what: str) -> Iterator[Mapping[str, Any]]:
    entries = read_json(data, what, MAX_FILE_BYTES)
    if not isinstance(entries, list) or len(entries) > MAX_ROWS:
        raise DocumentError(f"{what} must be a list of at most {MAX_ROWS} rows, or a set that was exported here")
    for number, entry in enumerate(entries, 1):
        yield _object(entry, f"{what}, row {number}")


def _object(entry: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise DocumentError(f"{where}, must be an object, not {type(entry).__name__}")
    variables = entry.pop("variables", None) or {}
    if not isinstance(variables, dict):
        raise DocumentError(f"{where}: 'variables' must be an object")
    return {**variables, **entry}


def _is_document(data: bytes) -> bool:
    return data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


def _from_document(data: bytes, what: str) -> PromptSet:
    document = read_json(data, what, MAX_FILE_BYTES)
    if document.pop("format", None) != FORMAT:
        raise DocumentError(f"{what} holds no prompt set as the export writes it")
    return checked_set(what, **{**document, "id": ""})


def _decoded(data: bytes, what: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise DocumentError(f"{what} is not UTF-8 (byte {exc.start}): save it as UTF-8") from exc


def _flat(prompts: PromptSet, row: PromptRow) -> dict[str, str]:
    own = {
        "id": row.id,
        "prompt": row.prompt or prompts.template,
        "expected": row.expected,
        "compare": row.compare,
        "tags": ";".join(row.tags),
        "cluster": row.cluster,
        **({"images": " ".join(row.images)} if row.images else {}),
    }
    return {**own, **row.variables}
