from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from multi_llm_comparator.core import json_records
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import read_records


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('[{"a": 1}, {"a": 2}]', ["entry 1", "entry 2"]),
        ('\n {"a": 1}\n\n{"a": 2}\n', ["line 2", "line 4"]),
        ('\ufeff\n\t[{"a": 1}, {"a": 2}]\n', ["entry 1", "entry 2"]),
        (" " * 3000 + '[{"a": 1}, {"a": 2}]', ["entry 1", "entry 2"]),
    ],
)
def test_a_list_and_lines_give_the_same_records_each_with_its_place(
    tmp_path: Path, text: str, places: list[str]
) -> None:
    path = tmp_path / "data.json"
    path.write_text(text, encoding="utf-8")
    found = list(read_records(path))
    assert [record for _, record in found] == [{"a": 1}, {"a": 2}]
    assert [where for where, _ in found] == [f"{str(path)!r}, {place}" for place in places]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a":\n', "line 2, is not JSON"),
        ('{\n  "a": 1\n}', "wanted is a list, or one object a line"),
        ("[1]", "entry 1, must be an object, not int"),
        ("null", "line 1, must be an object, not NoneType"),
        ('[{"a": 1}', "neither a JSON list nor JSON lines"),
        ("[" * 200_000, "neither a JSON list nor JSON lines"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError, match=said):
        list(read_records(path))


def test_records_before_a_broken_line_are_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"a": 1}\nbroken\n', encoding="utf-8")
    records = read_records(path)
    assert next(records)[1] == {"a": 1}


def test_a_file_that_is_absent_not_text_or_too_large_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DocumentError, match="cannot read"):
        list(read_records(tmp_path / "none.json"))
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DocumentError, match="is no file"):
            list(read_records(path))
    path = tmp_path / "data.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DocumentError, match="neither"):
        list(read_records(path))
    path.write_text(json.dumps([{"a": "x" * 100}]), encoding="utf-8")
    monkeypatch.setattr(json_records, "MAX_FILE_BYTES", 50)
    with pytest.raises(DocumentError, match="larger than"):
        list(read_records(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "data.jsonl")
    with pytest.raises(DocumentError, match="is no file"):
        list(read_records(tmp_path / "data.jsonl"))


def test_one_endless_line_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "data.jsonl").write_text('{"a": "' + "x" * (17 * 2**20))
    with pytest.raises(DocumentError, match="line 1, has more than"):
        list(read_records(tmp_path / "data.jsonl"))
