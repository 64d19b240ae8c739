"""Whose choices are scored, and whose are looked for in what they write."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed
from multi_llm_comparator.core.exceptions import InferenceError, UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.scores import ContinuationScore, ScoreRequest, ScoreResult
from multi_llm_comparator.evaluation.measuring.asking import AS_MESSAGE, EXTRACTED, request_of
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.materials import Material
from multi_llm_comparator.evaluation.measuring.prompt_task import PromptSetTask
from multi_llm_comparator.evaluation.measuring.report import remark_lines
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.prompt_sets import checked_set
from multi_llm_comparator.evaluation.tasks.base import TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.choice import ChoiceTask, Question, choice_items, lettered
from multi_llm_comparator.evaluation.tasks.own import WrittenTask
from tests.evaluation.measuring.making import Saying, asked_all, evaluation

RIGHT = 1


class Scorer:
    """Finds B likeliest of "seen" ones; others show no probabilities, or break."""

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        if target == "broken":
            raise InferenceError("it broke")
        if not target.startswith("seen"):
            raise UnsupportedModelError("it only writes")
        nats = (-2.0, -1.0, -3.0, -3.0)
        return ScoreResult(
            continuations=tuple(ContinuationScore(logprob=p, token_logprobs=(p,), is_greedy=False) for p in nats)
        )


def choices(choice: TaskChoice) -> list[ChoiceTask]:
    text = lettered("Which is a prime?", ["4", "7", "9", "10"], "Answer:")
    items = choice_items("mmlu_x", "", [], [Question(text, RIGHT, "x/0", {})], TaskOptions(shots=0))
    return [ChoiceTask("mmlu_x", "mmlu", "1.0", items)]


async def test_what_shows_its_probabilities_is_scored_wherever_it_is_and_the_rest_is_asked(opened: Any) -> None:
    targets = ("seen here", "seen far away", "writes", "broken", "local")
    local = ("seen here", "local")
    source = Saying(lambda target, request: "The answer is (B).")
    registry = opened(source, scorer=Scorer(), is_local=local.__contains__, tasks=choices)
    run = await asked_all(registry, evaluation(None, *targets, tasks=[TaskChoice(name="mmlu")]))
    here, far, writes, broken, unscored = (run.cells[CellKey(0, letter)] for letter in "abcde")

    def found(cell: Cell) -> tuple[str, str, bool | None]:
        return cell.state, cell.how, cell.correct

    assert found(here) == found(far) == ("done", "scored", True)
    assert found(writes) == ("done", "extracted", True)
    assert writes.notes == (EXTRACTED,)
    # What fails is not asked another way, nor is a model of this machine: its scores would not be those of others.
    assert found(broken) == found(unscored) == ("failed", "scored", None)
    assert [target for target, _ in source.asked] == ["writes"]
    (line,) = remark_lines(run.snapshot(), "en")
    assert line.startswith("writes was asked to write")


async def test_a_question_of_a_task_is_asked_plainly_as_a_message_where_no_text_is_taken_and_no_word_is_wrong(
    opened: Any,
) -> None:
    def say(target: str, request: GenerationRequest) -> str | Failed:
        if request.raw and target != "model":
            return Failed(request_id="", error_type="RequestRefusedError", message="conversations only")
        return "" if target == "silent" else "2"

    task = WrittenTask("sums", [TaskItem(id="1", prompt="1 + 1 =", target="2", about={"compare": "exact"})])
    source = Saying(say)
    registry = opened(source, tasks=lambda choice: [task])
    asked = evaluation(
        None,
        "model",
        "endpoint",
        "silent",
        config=ModelConfig(temperature=0.0, repeat_penalty=1.1),
        tasks=[TaskChoice(name="sums")],
    )
    run = await asked_all(registry, asked)
    cells = [run.cells[CellKey(0, letter)] for letter in "abc"]
    assert [(cell.state, cell.correct) for cell in cells] == [("done", True), ("done", True), ("done", False)]
    assert [cell.notes for cell in cells] == [(), (AS_MESSAGE,), (AS_MESSAGE,)]
    assert {request.config.repeat_penalty for _, request in source.asked} == {1.0}
    assert [request.raw for target, request in source.asked if target == "endpoint"] == [True, False]


async def test_a_subjects_system_prompt_stands_in_place_of_its_sets() -> None:
    system, subject = ModelConfig(temperature=0.0, system_prompt="Mine."), ModelConfig(temperature=0.0)
    choice = {"id": "2", "prompt": "3?", "variables": {"A": "3", "B": "4"}, "expected": "A", "compare": "choice"}
    rows = [{"id": "1", "prompt": "2?"}, choice]
    task = PromptSetTask(checked_set("a test's", name="Mine", system="The set's.", rows=rows))
    for item in task.items:
        for config, first in ((system, "Mine."), (subject, "The set's.")):
            asked = request_of(Material(task, item), config.system_prompt)
            assert not isinstance(asked.prompt, str)
            assert [(one.role, one.content) for one in asked.prompt] == [("system", first), ("user", item.question)]


@pytest.mark.parametrize("chat", [False, True])
async def test_a_subjects_system_prompt_stands_before_all_that_a_task_says(chat: bool) -> None:
    question = Question("7 is?", RIGHT, "x/0", {})
    (item,) = choice_items("mmlu_x", "About primes.\n\n", [], [question], TaskOptions(shots=0, chat=chat))
    asked = request_of(Material(ChoiceTask("mmlu_x", "mmlu", "1.0", [item]), item), "Think.")
    if chat:
        assert asked.prompt == (Message("system", "Think.\n\nAbout primes.\n\n"), Message("user", "7 is?"))
    else:
        assert asked.prompt == "Think.\n\nAbout primes.\n\n7 is?"


async def test_a_system_prompt_is_told_once_however_a_task_is_asked(opened: Any) -> None:
    def say(target: str, request: GenerationRequest) -> str | Failed:
        if request.raw:
            return Failed(request_id="", error_type="RequestRefusedError", message="conversations only")
        return "2"

    task = WrittenTask("sums", [TaskItem(id="1", prompt="1 + 1 =", target="2", about={"compare": "exact"})])
    source = Saying(say)
    config = ModelConfig(temperature=0.0, system_prompt="Think.")
    await asked_all(
        opened(source, tasks=lambda choice: [task]),
        evaluation(None, "endpoint", config=config, tasks=[TaskChoice(name="sums")]),
    )
    told = [[message.content for message in request.with_system_prompt()] for _, request in source.asked]
    assert told == [["Think.\n\n1 + 1 ="]] * 2
