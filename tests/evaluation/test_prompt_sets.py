from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.image_data import image_bytes
from multi_llm_comparator.evaluation.prompt_library import PromptLibrary
from multi_llm_comparator.evaluation.prompt_set_files import FILE_FORMATS, prompt_set_file, read_prompt_set
from multi_llm_comparator.evaluation.prompt_sets import PromptRow, PromptSet, checked_set, filled
from multi_llm_comparator.evaluation.prompt_store import PromptSets

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=40)
CSV = (
    "id,question,answer,compare,tags,city\r\n"
    'a,"Where is {{city}}?\nSay it in a word.",France,contains,"geo; easy",Paris\r\n'
    "b,What is 2 + 2?,4,numeric,,\r\n"
)


def test_a_csv_becomes_rows_with_variables_tags_and_line_ends() -> None:
    prompts = read_prompt_set(b"\xef\xbb\xbf" + CSV.encode(), "cities.csv")
    first, second = prompts.rows
    assert (prompts.name, first.id, first.tags, first.compare) == ("cities", "a", ("geo", "easy"), "contains")
    assert prompts.prompt_of(first) == "Where is Paris?\nSay it in a word."
    assert (second.expected, second.compare, second.variables) == ("4", "numeric", {"city": ""})
    assert prompts.tags == ("easy", "geo")


def test_json_lines_and_lists_take_numbers_lists_and_objects_as_they_are() -> None:
    rows = [{"prompt": "{{n}}?", "expected": 4, "tags": ["a", "b"], "variables": {"n": 3}}, {"input": "x", "n": 1}]
    for data, name in ((json.dumps(rows), "x.json"), ("\n".join(map(json.dumps, rows)), "x.jsonl")):
        prompts = read_prompt_set(data.encode(), name)
        assert (prompts.prompt_of(prompts.rows[0]), prompts.rows[0].expected) == ("3?", "4")
        assert prompts.rows[0].tags == ("a", "b")
        # What has something expected and does not say how is compared exactly.
        assert [row.compare for row in prompts.rows] == ["exact", "none"]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=5), st.sampled_from(FILE_FORMATS))
def test_what_is_exported_is_read_back_as_it_was(texts: list[tuple[str, str]], format: str) -> None:
    rows = [
        {"id": str(n), "prompt": f"{p}.", "expected": f"{e}.", "compare": "contains", "variables": {"v": p}}
        for n, (p, e) in enumerate(texts)
    ]
    prompts = checked_set("made", name="x", rows=rows)
    again = read_prompt_set(prompt_set_file(prompts, format), f"x.{format}")  # type: ignore[arg-type]
    assert again.rows == prompts.rows


def test_a_cell_that_a_spreadsheet_would_run_comes_back_as_it_was() -> None:
    prompts = checked_set("made", name="x", rows=[{"id": "1", "prompt": "=1+1"}, {"id": "2", "prompt": "'quoted'"}])
    file = prompt_set_file(prompts, "csv")
    assert b"'=1+1" in file
    assert [row.prompt for row in read_prompt_set(file, "x.csv").rows] == ["=1+1", "'quoted'"]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.csv", b"prompt\n", "is empty"),
        ("x.csv", b"a,a\n1,2\n", "a name of its own"),
        ("x.csv", b"prompt\nx,y\n", "more cells"),
        ("x.csv", b'prompt\n"x', "not readable as CSV"),
        ("x.csv", b"prompt\n\xff\n", "not UTF-8"),
        ("x.csv", b"prompt,compare\nx,exact\n", "row 1, compares by 'exact' but expects nothing"),
        ("x.csv", b"prompt,compare\nx,best\n", "compare"),
        ("x.csv", b"city\nParis\n", "has no prompt"),
        ("x.csv", b"prompt\n{{city}}\n", "no value for {{city}}"),
        ("x.csv", b"id,prompt\n1,x\n1,y\n", "two rows have the id '1'"),
        ("x.jsonl", b"[1]\n", "must be an object"),
        ("x.jsonl", b'{"prompt": [[1]]}\n', "must be a text"),
        ("x.json", b'{"rows": []}', "holds no prompt set"),
        ("x.txt", b"x", "none of"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(name: str, data: bytes, says: str) -> None:
    with pytest.raises(DocumentError, match=says.replace("{", r"\{")):
        read_prompt_set(data, name)


@given(st.binary(max_size=300), st.sampled_from(["x.csv", "x.jsonl", "x.json"]))
def test_any_bytes_are_a_set_or_are_refused(data: bytes, name: str) -> None:
    with contextlib.suppress(DocumentError):
        assert read_prompt_set(data, name).rows


def test_a_value_that_looks_like_a_variable_is_not_filled_in_again() -> None:
    assert filled("{{a}} {{ b }} {{c}}", {"a": "{{b}}", "b": "2"}) == "{{b}} 2 {{c}}"


def one(name: str = "Mine", **fields: object) -> PromptSet:
    return checked_set("made", name=name, rows=[{"id": "1", "prompt": "x", **fields}])


def test_sets_are_kept_listed_changed_and_deleted(tmp_path: Path) -> None:
    sets = PromptSets(tmp_path / "sets")
    assert sets.list() == []
    first, second = sets.save(one()), sets.save(one())
    assert (first.name, second.name) == ("Mine", "Mine (2)")
    assert {facts.id for facts in PromptSets(tmp_path / "sets").list()} == {first.id, second.id}
    assert sets.find("Mine (2)") == sets.find(second.id) == sets.load(second.id) == second
    grown = sets.add_row(first.id, PromptRow(id="any", prompt="y", tags=("new",)))
    assert [(row.id, row.prompt) for row in sets.load(first.id).rows] == [("1", "x"), ("2", "y")]
    assert grown.digest != first.digest
    sets.delete(first.id)
    assert [facts.name for facts in sets.list()] == ["Mine (2)"]
    with pytest.raises(DocumentError, match="may have been deleted"):
        sets.load(first.id)


@pytest.mark.parametrize("set_id", ["../../etc/passwd", "", "A", "x" * 33, "a/b"])
def test_an_id_is_no_way_out_of_the_folder(tmp_path: Path, set_id: str) -> None:
    with pytest.raises(DocumentError, match="no prompt set's id"):
        PromptSets(tmp_path).load(set_id)


def test_a_file_that_is_no_set_does_not_hide_the_others(tmp_path: Path) -> None:
    sets = PromptSets(tmp_path)
    kept = sets.save(one())
    (tmp_path / "broken.json").write_text("{")
    assert [facts.id for facts in sets.list()] == [kept.id]


def test_the_library_finds_prompts_by_the_beginning_of_their_names_first(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path / "prompts.json")
    library.save("Summary", "Sum up: {{text}}", ("work",))
    library.save("A summary in verse", "Rhyme: {{text}} {{style}}")
    library.save("Translate", "Into French: {{text}}")
    assert [prompt.name for prompt in library.search("summ")] == ["Summary", "A summary in verse"]
    assert [prompt.name for prompt in library.search("french")] == ["Translate"]
    assert [prompt.name for prompt in library.search("WORK")] == ["Summary"]
    assert library.search("rhyme")[0].variables == ("style", "text")
    library.save("Summary", "Shorter: {{text}}")
    library.delete("Translate")
    assert [(p.name, p.text) for p in PromptLibrary(tmp_path / "prompts.json").list()][1] == (
        "Summary",
        "Shorter: {{text}}",
    )


def test_a_library_that_cannot_be_read_or_saved_says_so(tmp_path: Path) -> None:
    library = PromptLibrary(tmp_path / "prompts.json")
    with pytest.raises(ConfigurationError, match="cannot be saved"):
        library.save("", "x")
    (tmp_path / "prompts.json").write_text('{"prompts": [{"name": 1}]}')
    with pytest.raises(ConfigurationError, match="holds no prompts"):
        library.list()


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
    "gg=="
)


def test_lettered_choices_are_known_by_their_columns_and_stand_behind_the_question() -> None:
    heading = b"question,A,B,C,D,answer\n"
    (row, named) = (
        prompts := read_prompt_set(heading + b"Which is a prime?,4,7,9,,B\nBigger: {{A}} or {{B}}?,4,7,,,7\n", "x.csv")
    ).rows
    assert (row.compare, row.choices, row.right_choice) == ("choice", ("4", "7", "9"), 1)
    assert prompts.prompt_of(row) == "Which is a prime?\nA. 4\nB. 7\nC. 9\nAnswer:"
    # Variables that the prompt names are no choices, unless it is said.
    assert (named.compare, prompts.prompt_of(named)) == ("exact", "Bigger: 4 or 7?")
    as_text = {"question": "Which?", "choices": ["red", "blue"], "answer": "blue"}
    as_place = {"question": "Which?", "choices": ["red", "blue"], "answer": 0, "compare": "choice"}
    rows = read_prompt_set(json.dumps([as_text, as_place]).encode(), "x.json").rows
    assert [(one.compare, one.right_choice) for one in rows] == [("choice", 1), ("choice", 0)]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"variables": {"A": "x"}, "expected": "A"}, "at least the variables A and B"),
        ({"variables": {"A": "x", "B": "y"}, "expected": "C"}, "none of its 2 choices"),
        ({"variables": {"A": "x", "B": "y"}, "expected": "A", "images": [PIXEL]}, "scored by its text alone"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(row: dict[str, Any], says: str) -> None:
    with pytest.raises(DocumentError, match=says):
        checked_set("made", name="made", rows=[{"id": "1", "prompt": "?", "compare": "choice", **row}])


def test_images_come_with_rows_and_are_exported_and_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(image_bytes(PIXEL))
    rows = [{"prompt": "What is it?", "image": "a.png"}, {"prompt": "And here?", "images": [PIXEL, "a.png"]}]
    prompts = read_prompt_set(json.dumps(rows).encode(), "seen.json", tmp_path)
    assert [row.images for row in prompts.rows] == [(PIXEL,), (PIXEL, PIXEL)]
    for format in FILE_FORMATS:
        again = read_prompt_set(prompt_set_file(prompts, format), f"seen.{format}")
        assert [row.images for row in again.rows] == [row.images for row in prompts.rows]
    assert prompts.digest != prompts.model_copy(update={"rows": prompts.rows[:1]}).digest
    text_alone = prompts.model_copy(update={"rows": tuple(r.model_copy(update={"images": ()}) for r in prompts.rows)})
    assert prompts.digest != text_alone.digest


@pytest.mark.parametrize("image", ["a.png", "../a.png", "/etc/passwd", "data:image/png;base64,AAAA", "https://x/a.png"])
def test_an_image_that_is_none_or_lies_elsewhere_is_refused(tmp_path: Path, image: str) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "a.png").write_bytes(image_bytes(PIXEL))
    rows = json.dumps([{"prompt": "?", "image": image}]).encode()
    for folder in (None, tmp_path / "sets"):
        with pytest.raises(DocumentError, match=r"row 1|rows"):
            read_prompt_set(rows, "x.json", folder)


def test_names_of_columns_are_no_formulas_either() -> None:
    rows = [{"id": "1", "prompt": "{{-1}}", "variables": {"-1": "x"}}]
    prompts = checked_set("a set", name="formulas", rows=rows)
    file = prompt_set_file(prompts, "csv")
    assert b",'-1" in file.splitlines()[0]
    assert read_prompt_set(file, "x.csv").rows[0].variables == {"-1": "x"}
