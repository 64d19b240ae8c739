"""Tasks from folders as their authors publish them: prompts, and how answers are scored."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, TextDelta
from multi_llm_comparator.core.exceptions import DocumentError, UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, ScoreResult
from multi_llm_comparator.evaluation.tasks.answering import answer_item, answer_items
from multi_llm_comparator.evaluation.tasks.base import Ask, Choose, TaskOptions
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.gsm8k import flexible_number, plain_number, strict_number
from multi_llm_comparator.evaluation.tasks.results import TaskResult
from tests.support import material
from tests.support.growth import grows_evenly


def write_csv(path: Path, rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture
def mmlu(tmp_path: Path) -> Path:
    dev = [[f"Sum of {n} and 1?", str(n + 1), "0", "x", "y", "A"] for n in range(5)]
    test = [['He said "two,\nthree"?', "a", "b", "c", "d", "C"], ["Next?", "1", "2", "3", "4", "B"]]
    write_csv(tmp_path / "data" / "dev" / "high_school_sums_dev.csv", dev)
    write_csv(tmp_path / "data" / "test" / "high_school_sums_test.csv", test)
    return tmp_path


def scored(*logprobs: float) -> ScoreResult:
    one = [ContinuationScore(logprob=value, token_logprobs=(value,), is_greedy=False) for value in logprobs]
    return ScoreResult(continuations=tuple(one))


def test_a_prompt_has_examples_and_a_question_whose_cells_may_hold_line_ends(mmlu: Path) -> None:
    (task,) = load_tasks("mmlu", mmlu, TaskOptions(shots=1))
    assert (task.name, task.group, task.version) == ("mmlu_high_school_sums", "mmlu", "1.0")
    request = task.items[0].request()
    assert isinstance(request, Choose)
    assert request.prompt == (
        "The following are multiple choice questions (with answers) about high school sums.\n\n"
        "Sum of 0 and 1?\nA. 1\nB. 0\nC. x\nD. y\nAnswer: A\n\n"
        'He said "two,\nthree"?\nA. a\nB. b\nC. c\nD. d\nAnswer:'
    )
    assert request.choices == (" A", " B", " C", " D")


def test_in_a_chat_template_examples_may_be_turns_and_choices_have_no_blank(mmlu: Path) -> None:
    (task,) = load_tasks("mmlu", mmlu, TaskOptions(shots=2, chat=True, chat_turns=True, system_prompt="Be brief."))
    prompt = task.items[0].prompt
    assert isinstance(prompt, tuple)
    assert [message.role for message in prompt] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert prompt[0].content.startswith("Be brief.\n\nThe following")
    assert task.items[0].choices == ("A", "B", "C", "D")


def test_a_choice_is_scored_by_the_likeliest_and_ties_are_marked(mmlu: Path) -> None:
    (task,) = load_tasks("mmlu", mmlu, TaskOptions(shots=0))
    right = task.score(task.items[0], scored(-3, -2, -1, -4))
    assert right.correct and right.value == 1 and right.metrics == {"acc": 1.0, "acc_norm": 1.0}
    tie = task.score(task.items[0], scored(-1, -3, -1.0005, -4))
    assert not tie.correct and tie.is_tie and "as likely" in tie.reason
    assert task.score(task.items[0], "The answer is (C).").correct
    assert not task.score(task.items[0], "I cannot tell").correct


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / "data" / "dev" / "high_school_sums_dev.csv").unlink(), "cannot be read"),
        (lambda root: write_csv(root / "data" / "test" / "high_school_sums_test.csv", [["q", "a"]]), "2 cells"),
        (lambda root: write_csv(root / "data" / "test" / "high_school_sums_test.csv", [[*"qabcd", "E"]]), "'E'"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(mmlu: Path, break_it: Any, message: str) -> None:
    break_it(mmlu)
    with pytest.raises(DocumentError, match=message):
        load_tasks("mmlu", mmlu, TaskOptions())


def test_unknown_tasks_subjects_and_too_many_shots_are_refused(mmlu: Path) -> None:
    for name, options, message in (
        ("nolu", TaskOptions(), "known are"),
        ("mmlu", TaskOptions(subjects=("law",)), "no subject 'law'"),
        ("mmlu", TaskOptions(shots=6), "fewer shots"),
    ):
        with pytest.raises(DocumentError, match=message):
            load_tasks(name, mmlu, options)


def test_gsm8k_draws_the_same_examples_for_the_same_seed(tmp_path: Path) -> None:
    for split, n in (("train", 8), ("test", 3)):
        rows = [{"question": f"{split} {i}?", "answer": f"It is so.\n#### 1,0{i}"} for i in range(n)]
        (tmp_path / f"{split}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    first, again, other = (load_tasks("gsm8k", tmp_path, TaskOptions(shots=3, seed=seed))[0] for seed in (1, 1, 2))
    assert first.items == again.items != other.items
    assert str(first.items[0].prompt).endswith("\n\nQuestion: test 0?\nAnswer:")
    exact = first.score(first.items[0], "So 50 + 50.\n#### 100.")
    assert exact.correct and exact.metrics == {"strict": 1.0, "flexible": 1.0}
    loose = first.score(first.items[0], "The answer is $100.")
    assert not loose.correct and loose.metrics == {"strict": 0.0, "flexible": 1.0}


@given(st.text(max_size=60))
def test_any_text_has_a_strict_and_a_flexible_number(text: str) -> None:
    for number in (strict_number(text), flexible_number(text)):
        assert isinstance(plain_number(number), str)


def test_big_bench_hard_reads_its_worked_examples(tmp_path: Path) -> None:
    (tmp_path / "bbh").mkdir()
    (tmp_path / "cot-prompts").mkdir()
    rows = {"examples": [{"input": "not True is", "target": "False"}]}
    (tmp_path / "bbh" / "booleans.json").write_text(json.dumps(rows))
    worked = "".join(f"\n\nQ: case {i}\nA: Let's think step by step.\nSo the answer is {i}." for i in range(3))
    (tmp_path / "cot-prompts" / "booleans.txt").write_text(f"canary\n-----\nEvaluate it.{worked}\n")
    (task,) = load_tasks("bbh", tmp_path, TaskOptions())
    assert task.version == "4.0"
    assert task.items[0].prompt == f"Evaluate it.{worked}\n\nQ: not True is\nA: Let's think step by step.\n"
    assert task.score(task.items[0], "not True = False. So the answer is False.").correct
    (plain,) = load_tasks("bbh", tmp_path, TaskOptions(shots=0))
    assert plain.items[0].prompt == "Evaluate it.\n\nQ: not True is\nA:"
    assert plain.score(plain.items[0], ' "false".').correct


def test_own_questions_are_chosen_or_compared_as_each_row_says(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "Which?", "choices": ["red", "blue", "green"], "answer": "blue", "tags": ["colour"]},
        {"question": "6 * 7?", "answer": 42, "compare": "numeric", "cluster": "sums"},
        {"question": "As JSON?", "answer": {"type": "object", "required": ["a"]}, "compare": "json_schema"},
    ]
    path = tmp_path / "mine.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    choice, written = load_tasks(str(path), "unused", TaskOptions())
    assert (choice.items[0].labels, choice.items[0].target) == (("A", "B", "C"), 1)
    assert choice.score(choice.items[0], scored(-2, -1, -3)).correct
    assert [
        written.score(item, text).correct for item, text in zip(written.items, ("It is 42.", '{"a": 1}'), strict=True)
    ]
    assert written.items[0].cluster == "sums"
    path.write_text(json.dumps({**rows[1], "answer": "(", "compare": "regex"}))
    with pytest.raises(DocumentError, match="row 1"):
        load_tasks(str(path), "unused", TaskOptions())
    path.write_text(json.dumps({**rows[1], "compare": "judged"}))
    with pytest.raises(DocumentError, match="what a model judges belongs into a prompt set"):
        load_tasks(str(path), "unused", TaskOptions())


class Writer:
    """Only writes, and takes conversations only, as an endpoint does."""

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, list[GenerationRequest]()

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        if request.raw:
            yield Failed(request_id=request.id, error_type="RequestRefusedError", message="no text")
            return
        yield TextDelta(request_id=request.id, text=self.text, tokens=3)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=3)

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        raise UnsupportedModelError("it only writes")


async def test_a_model_that_only_writes_has_its_choice_looked_for_and_that_is_said(mmlu: Path) -> None:
    (task,) = load_tasks("mmlu", mmlu, TaskOptions(shots=0))
    writer = Writer("I think the answer is B")
    result = TaskResult(task)
    async for answered in answer_items(task.items, "m", ModelConfig(), text=writer, scorer=writer):
        assert answered.how == "extracted"
        result.add(answered)
    assert (result.right, len(result.scores)) == (1, 2)
    assert "extracted" in result.cells()
    assert all(isinstance(request.messages[0], Message) and not request.raw for request in writer.asked)
    assert all(request.config.is_greedy for request in writer.asked)


async def test_a_text_goes_as_a_message_to_an_endpoint_that_takes_no_text(tmp_path: Path, mmlu: Path) -> None:
    (task,) = load_tasks("mmlu", mmlu, TaskOptions(shots=0))
    item = replace(task.items[0], choices=None)
    assert isinstance(item.request(), Ask)
    writer = Writer("something")
    answered = await answer_item(item, "m", ModelConfig(), text=writer, scorer=None)
    assert (answered.how, answered.answer) == ("written", "something")
    assert [request.raw for request in writer.asked] == [True, False]


@pytest.mark.skipif(not material.real("mmlu_ceval"), reason="the real data sets are not on this machine")
def test_the_published_folders_are_read_whole() -> None:
    (folder,) = material.real("mmlu_ceval")
    counts = {name: [len(task.items) for task in load_tasks(name, folder, TaskOptions())] for name in ("mmlu", "ceval")}
    assert {name: (len(n), sum(n)) for name, n in counts.items()} == {"mmlu": (13, 1926), "ceval": (13, 348)}


@pytest.mark.parametrize("piece", ["1", "#### ", "$1,", ". "])
def test_an_answer_to_gsm8k_is_scored_in_as_long_as_it_is(piece: str) -> None:
    assert grows_evenly(lambda text: plain_number(flexible_number(text) + strict_number(text) + text), piece)


def test_a_number_is_what_stands_behind_the_last_mark() -> None:
    assert plain_number("so #### 3\n#### $1,234.") == "1234"
