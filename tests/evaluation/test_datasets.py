from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.datasets import Question, read_dataset
from multi_llm_comparator.evaluation.scoring import as_number, final_answer, is_correct, same_answer
from tests.support.material import OWN, real


def written(tmp_path: Path, entries: Any, *, lines: bool = False) -> Path:
    path = tmp_path / "data.json"
    text = "\n".join(map(json.dumps, entries)) if lines else json.dumps(entries)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shapes_that_are_around_are_read(tmp_path: Path) -> None:
    entries = [
        {"problem": "1+1?\nA. 1\nB. 2", "answer": "2", "answer_id": 1, "subject": "maths", "difficulty_level": 2},
        {"id": 7, "problem": "p", "solution": "s", "answer": 5},
        {"id": "g", "question": "q", "answer": "3 + 4 = 7\n#### 1,007"},
    ]
    stem, maths, gsm = read_dataset(written(tmp_path, entries))
    assert (stem.choice, stem.answer, stem.subject, stem.difficulty) == ("B", "2", "maths", "2")
    assert (maths.id, maths.solution, maths.answer) == ("7", "s", "5")
    assert (gsm.answer, gsm.solution) == ("1007", "3 + 4 = 7")


def test_halves_of_characters_and_odd_choices_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    odd = (
        '[{"question": "What is \\ud83d?", "answer": "x", "answer_id": "\u00b2"}, {"question": "q", "answer_id": "%s"}]'
    )
    path.write_text(odd % ("9" * 5000), encoding="utf-8")
    first, second = read_dataset(path)
    assert (first.text, first.choice, second.choice) == ("What is \ufffd?", None, None)
    first.text.encode()
    (counted,) = read_dataset(written(tmp_path, [{"question": "q", "answer_id": 1.0}]))
    assert counted.choice == "B"


def test_json_lines_are_read_and_bounded_by_the_limit(tmp_path: Path) -> None:
    entries = [{"question": f"q{i}"} for i in range(9)]
    assert [q.text for q in read_dataset(written(tmp_path, entries, lines=True), limit=2)] == ["q0", "q1"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[1]", "entry 1"),
        ('[{"question": "q"}, {"x": 1}]', "entry 2"),
        ('{"question": "q"}\n{oops', "line 2"),
        ("[", "neither"),
        ("[]", "no questions"),
        ("", "no questions"),
        ('[{"id": "a", "question": "q"}, {"id": "a", "question": "r"}]', "'a' twice"),
    ],
)
def test_a_bad_file_says_where_it_is_bad(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DocumentError, match=says) as caught:
        read_dataset(path)
    assert "data.json" in str(caught.value)


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="nowhere"):
        read_dataset(tmp_path / "nowhere.json")


WHOLE = [(OWN / "worded_sums.jsonl", 10), (OWN / "parallel_questions.json", 16)]
WHOLE += [(path, 1319) for path in real("gsm8k", "test.jsonl")]
WHOLE += [(path, 113) for path in real("llmcompiler", "parallelqa_dataset.json")]


@pytest.mark.parametrize(("path", "count"), WHOLE, ids=lambda value: getattr(value, "name", str(value)))
def test_data_sets_are_read_whole(path: Path, count: int) -> None:
    questions = read_dataset(path)
    assert len(questions) == count
    assert all(q.answer for q in questions)


def test_the_working_of_a_sum_is_told_from_its_answer() -> None:
    questions = read_dataset(OWN / "worded_sums.jsonl")
    assert [as_number(q.answer or "") for q in questions] == [27, 42, 200, 90, 119, 175, 1456, 12, -5, 2]
    assert all(q.solution and "####" not in q.solution for q in questions)


@pytest.mark.parametrize(
    ("question", "text", "right"),
    [
        (Question("1", "q", "568"), "71 * 8 = 568", True),
        (Question("1", "q", "568"), "The answer is 568.", True),
        (Question("1", "q", "568"), "It makes 568 apples", True),
        (Question("1", "q", "568"), "\\boxed{568} (not 5)", True),
        (Question("1", "q", "568"), "5680", False),
        (Question("1", "q", "568"), "", False),
        (Question("1", "q", "0.5"), "1/2", True),
        (Question("1", "q", "1000"), "$1,000.00", True),
        (Question("1", "q", "Paris"), "paris。", True),
        (Question("1", "q", "北京"), "答案是北京", True),
        (Question("1", "q", "2", "B"), "B", True),
        (Question("1", "q", "2", "B"), "The answer is (B) 2", True),
        (Question("1", "q", "2", "B"), "C", False),
        (Question("1", "q", "2", "B"), "2", True),
        (Question("1", "q", "A vector space", "C"), "A vector space", True),
        (Question("1", "q", "a ring", "A"), "A vector space", False),
        (Question("1", "q", "2", "B"), "I think (B)", True),
        (Question("1", "q", "2", "B"), "I think it is 2", True),
        (Question("1", "q", "2", "I"), "I think it is 3", False),
        (Question("1", "q", "2", "B"), "The answer is: **B**.", True),
        (Question("1", "q", "2", "B"), "B. 2", True),
        (Question("1", "q", "2", "B"), "The answer is B because (A) is too small", True),
        (Question("1", "q", "2", "B"), "答案是（B）", True),
        (Question("1", "q", "2", "B"), "Between (A) and (B), it is (B)", True),
        (Question("1", "q", "\\frac{3}{4}"), "So it is $\\boxed{\\frac{3}{4}}$.", True),
        (Question("1", "q", "3/4"), "So it is $\\boxed{\\dfrac{3}{4}}$.", True),
        (Question("1", "q", "4"), "Therefore it is \\boxed{\\frac{3}{4}}", False),
        (Question("1", "q", "\\sqrt{2}"), "We get \\boxed{\\sqrt{2}}", True),
        (Question("1", "q", "2", "B"), "So \\boxed{\\text{B}}", True),
        (Question("1", "q", "7"), "Not \\boxed{5} but \\boxed{7}", True),
        (Question("1", "q", "-5"), "The answer is \u22125.", True),
        (Question("1", "q", "5"), "The answer is \u22125.", False),
        (Question("1", "q"), "anything", None),
    ],
)
def test_what_an_answer_ends_in_decides(question: Question, text: str, right: bool | None) -> None:
    assert is_correct(question, text) is right


@given(st.text(max_size=200))
def test_any_text_can_be_judged(text: str) -> None:
    final_answer(text)
    assert same_answer(text, text)
    assert is_correct(Question("1", "q", "12", "A"), text) in (True, False)


@given(st.integers(-(10**12), 10**12))
def test_numbers_are_compared_as_numbers(number: int) -> None:
    assert as_number(f"{number:,}") == number
    assert same_answer(str(number), f"{number}.0")
