from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.encodings import guessed
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data import files, json_rows, parquet_rows
from multi_llm_comparator.training.data.chats import Chat
from multi_llm_comparator.training.data.csv_rows import csv_rows
from multi_llm_comparator.training.data.dataset import Refused, open_dataset
from multi_llm_comparator.training.data.files import encoding_for, find_files, rows_of_file
from multi_llm_comparator.training.data.json_rows import json_rows as read_json
from multi_llm_comparator.training.data.rows import Row
from multi_llm_comparator.training.data.spec import DataSpec

ROWS = [{"prompt": f"question {n}", "completion": f'answer\n{n}, with "marks"; 你好'} for n in range(5)]


def chats_of(path: Path, **spec: Any) -> list[Chat]:
    found = list(open_dataset(DataSpec(source=str(path), **spec)))
    assert all(isinstance(one, Chat) for one in found), found
    return [one for one in found if isinstance(one, Chat)]


def as_csv(delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["prompt", "completion"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return text.getvalue()


def written(folder: Path, ending: str) -> Path:
    path = folder / f"data.{ending}"
    match ending:
        case "json":
            path.write_text(json.dumps(ROWS, indent=1, ensure_ascii=False), encoding="utf-8")
        case "jsonl":
            path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
        case "parquet":
            pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)
        case "tsv":
            path.write_text(as_csv("\t"), encoding="utf-8", newline="")
        case _:
            path.write_text(as_csv(), encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("ending", ["json", "jsonl", "csv", "tsv", "parquet"])
def test_every_kind_of_file_says_the_same(tmp_path: Path, ending: str) -> None:
    chats = chats_of(written(tmp_path, ending))
    assert [[m.content for m in chat.messages] for chat in chats] == [list(row.values()) for row in ROWS]
    assert [chat.number for chat in chats] == [1, 2, 3, 4, 5]
    assert len({chat.where for chat in chats}) == 5


@pytest.mark.parametrize("key", ["data", "rows"])
def test_a_list_inside_an_object_is_found(tmp_path: Path, key: str) -> None:
    for indent in (None, 2):
        path = tmp_path / "data.json"
        path.write_text(json.dumps({"version": 1, key: ROWS}, indent=indent), encoding="utf-8")
        assert len(chats_of(path)) == 5


def test_a_single_line_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(json.dumps({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}))
    assert len(chats_of(path)) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "utf-16-le"])
def test_encodings_are_found_out_and_guesses_said(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "data.jsonl"
    rows = [{"prompt": "今天天气怎么样？", "completion": "今天天气很好，适合出去散步。"}] * 3
    path.write_bytes("\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode(encoding))
    dataset = open_dataset(DataSpec(source=str(path)))
    chats = [one for one in dataset if isinstance(one, Chat)]
    assert chats[0].messages[0].content == "今天天气怎么样？"
    assert bool(dataset.notes) == (encoding in ("gb18030", "utf-16-le"))
    assert all("guessed" in note for note in dataset.notes)


def test_an_encoding_may_be_chosen_and_must_be_one(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes("prompt,completion\nça va,très bien\n".encode("cp1252"))
    assert chats_of(path)[0].messages[0].content == "ça va"
    assert chats_of(path, encoding="latin-1")[0].messages[0].content == "ça va"
    for wrong in ("no-such", "base64"):
        with pytest.raises(DocumentError, match="is no encoding"):
            open_dataset(DataSpec(source=str(path), encoding=wrong))


def test_what_is_not_utf8_in_a_utf8_file_becomes_the_replacement_character() -> None:
    assert guessed("é è à ü ".encode() * 20 + b"\xff").name == "utf-8"


def test_broken_rows_are_told_and_the_others_read(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\nnot json\n[1]\n{"prompt": "c", "completion": "d"}\n')
    found = list(open_dataset(DataSpec(source=str(path))))
    assert [type(one) for one in found] == [Chat, Refused, Refused, Chat]
    path = tmp_path / "data.csv"
    path.write_text('prompt,completion\na,b\nc\n"d, with\nline break",e\n')
    found = list(open_dataset(DataSpec(source=str(path))))
    assert [type(one) for one in found] == [Chat, Refused, Chat]


def test_a_list_that_breaks_off_gives_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Read in pieces shorter than an entry, too.
    monkeypatch.setattr(json_rows, "PIECE_CHARS", 7)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(ROWS)[:-20], encoding="utf-8")
    found = list(open_dataset(DataSpec(source=str(path))))
    assert [type(one) for one in found] == [Chat] * 4 + [Refused]


def test_files_of_a_folder_are_read_in_order_without_the_other_splits(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    written(tmp_path / "sub", "jsonl").rename(tmp_path / "sub" / "train-00000.jsonl")
    written(tmp_path, "parquet").rename(tmp_path / "test-00000.parquet")
    (tmp_path / "dataset_info.json").write_text("{}")
    (tmp_path / ".hidden.json").write_text("[]")
    (tmp_path / "readme.md").write_text("# Data")
    dataset = open_dataset(DataSpec(source=str(tmp_path)))
    assert [file.name for file in dataset.files.files] == ["train-00000.jsonl"]
    assert "another split" in dataset.notes[0]
    assert len(chats_of(tmp_path, files=("*.parquet",))) == 5


def test_links_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.jsonl").symlink_to(written(tmp_path, "jsonl"))
    with pytest.raises(DocumentError, match="has no data files"):
        find_files(tmp_path / "data")


def test_files_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "parquet")
    monkeypatch.setattr(parquet_rows, "MAX_GROUP_BYTES", 10)
    with pytest.raises(DocumentError, match="row group"):
        open_dataset(DataSpec(source=str(path)))
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 10)
    with pytest.raises(DocumentError, match="larger than"):
        open_dataset(DataSpec(source=str(path)))
    monkeypatch.setattr(files, "MAX_FILES", 0)
    with pytest.raises(DocumentError, match="too many files"):
        for number in range(3):
            (tmp_path / f"{number}.json").write_text("[]")
        find_files(tmp_path)
    with pytest.raises(DocumentError, match="no such file or folder"):
        find_files(tmp_path / "nothing")


def test_a_row_that_is_too_long_costs_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "MAX_ROW_CHARS", 50)
    text = json.dumps({"a": "x" * 200}) + "\n" + json.dumps({"b": 1}) + "\n"
    first, second = read_json(io.StringIO(text), "'f'")
    assert (first.value, second.value) == (None, {"b": 1})


@pytest.mark.parametrize(
    "heading", ["", "a,a\n1,2", ",".join(map(str, range(3000))) + "\n"], ids=["empty", "twice", "too many"]
)
def test_a_table_needs_a_heading(heading: str) -> None:
    with pytest.raises(DocumentError):
        list(csv_rows(io.StringIO(heading), "'f'"))


@given(st.binary(max_size=300), st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".parquet"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str) -> None:
    path = tmp_path_factory.mktemp("data") / f"data{ending}"
    path.write_bytes((b"PAR1" + data + b"PAR1") if ending == ".parquet" else data)
    try:
        rows = list(rows_of_file(path, "'data'", encoding_for(path, "")))
    except DocumentError:
        return
    assert all(isinstance(row, Row) and (row.value is None) == bool(row.problem) for row in rows)


VALUES = st.recursive(st.none() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5)
RECORDS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=3), max_size=6)


@given(RECORDS, st.sampled_from([None, 1]), st.integers(1, 20))
def test_a_list_is_read_in_pieces_of_any_length(rows: list[dict[str, Any]], indent: int | None, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "PIECE_CHARS", piece)
        text = json.dumps(rows, indent=indent, ensure_ascii=False)
        assert [row.value for row in read_json(io.StringIO(text), "'f'")] == rows
