"""Composed questions: the same seed gives the same ones, every plan is sound and comes to the answer, splits hold."""

import random

import pytest

from demo.composed import FAMILIES, MAX_STEPS, draw_composed, generate
from demo.composed.comparing import comes_to, exact_answers, same_dag, same_models
from demo.composed.operations import OPERATIONS, recognise, work_out
from demo.composed.question import ComposedQuestion, compact_xml
from demo.composed.source import PlannerConversations
from demo.world import LANGUAGES, TASKS
from demo.world import generate as generate_items
from demo.world.item import Difficulty
from multi_llm_comparator.core.events import Event, Finished, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans import ExecutorOptions, Plan, Step, parse_plan
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.parse import PlanParser
from multi_llm_comparator.plans.plan_run import PlanRun

QUESTIONS = list(generate(3, 400, "train"))


def test_same_seed_gives_the_same_questions() -> None:
    assert list(generate(3, 50, "train")) == QUESTIONS[:50]
    assert list(generate(4, 50, "train")) != QUESTIONS[:50]


def test_no_question_comes_twice() -> None:
    assert len({q.prompt for q in QUESTIONS}) == len(QUESTIONS)


def test_families_and_languages_come_in_turn() -> None:
    assert {(q.family, q.language) for q in QUESTIONS} == {(f, language) for f in FAMILIES for language in LANGUAGES}


def test_splits_share_no_content() -> None:
    heldout = {q.key for q in generate(5, 300, "heldout")}
    assert not heldout & {q.key for q in QUESTIONS}
    trained = PlannerConversations(random.Random(6))
    asked = {trained.conversation()[0][1] for _ in range(500)}
    assert not asked & {q.prompt for q in generate(7, 300, "heldout")}


def test_both_languages_share_one_split() -> None:
    drawn = {
        lang: {draw_composed(random.Random(n), "clock", lang, "heldout").key for n in range(40)} for lang in LANGUAGES
    }
    assert drawn["en"] == drawn["zh"]


def test_plans_have_two_to_eight_steps_and_end_in_one() -> None:
    lengths = {len(q.plan.steps) for q in QUESTIONS}
    assert min(lengths) == 2
    assert max(lengths) == MAX_STEPS
    assert all(len(q.plan.sinks) == 1 for q in QUESTIONS)
    assert any(q.plan.depth < len(q.plan.steps) / 2 for q in QUESTIONS)


def test_every_plan_is_read_back_from_what_the_planner_is_taught_to_write() -> None:
    for question in QUESTIONS:
        parser = PlanParser()
        parser.feed(compact_xml(question.plan))
        assert parser.close() == question.plan
        assert not parser.repairs


def test_every_plan_comes_to_the_answer_when_its_steps_are_answered_exactly() -> None:
    for question in QUESTIONS:
        assert comes_to(question.plan, question.answer), question.prompt


def test_every_task_is_a_question_of_the_demo_world() -> None:
    """Or quotes only. What a step asks in the end is worded as the demo models were taught."""
    for question in QUESTIONS:
        for step in question.plan.steps:
            assert recognise(step.task) or step.token == 24, step.task


def test_both_models_have_something_to_do() -> None:
    hard = [step.difficulty >= 5 for question in QUESTIONS for step in question.plan.steps]
    assert 0.3 < sum(hard) / len(hard) < 0.7


def test_budgets_are_the_operations_own() -> None:
    budgets = {operation.tokens for operation in OPERATIONS.values()} | {24}
    assert {step.token for question in QUESTIONS for step in question.plan.steps} <= budgets


class ExactModel:
    """Answers every question of the demo world exactly, with a working before the result."""

    def __init__(self, question_plan: str) -> None:
        self._plan = question_plan

    async def stream(self, target: str, request: GenerationRequest):  # type: ignore[no-untyped-def]
        prompt = request.messages[-1].content
        text = self._plan if target == "planner" else f"{prompt.rstrip('?')} = {work_out(prompt)}"
        events: list[Event] = [
            Started(request_id=request.id, prompt_tokens=1),
            TextDelta(request_id=request.id, text=text, tokens=1),
            Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1),
        ]
        for event in events:
            yield event


@pytest.mark.parametrize("question", QUESTIONS[:40], ids=lambda q: q.family)
async def test_a_run_of_the_plan_with_exact_models_gives_the_answer(question: ComposedQuestion) -> None:
    executor = ExecutorOptions(small_model="small", large_model="large", result_after="=")
    options = PlanOptions(executor=executor, router_model="planner", planner_prompt="", aggregation="last_step")
    run = PlanRun(ExactModel(compact_xml(question.plan)), question.prompt, options, run_id="r")
    await run.execute()
    assert (run.state, run.answer) == ("done", question.answer)
    assert run.plan == question.plan


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_operations_agree_with_the_demo_world(difficulty: Difficulty) -> None:
    """Whatever of the world's own questions is recognised is answered as the world answers it."""
    # Hard translations are of phrases, which are in no dictionary; talk and choices are no steps.
    others = {"talk", "outside", "choice", *(["translate"] if difficulty == "hard" else [])}
    recognised = 0
    for item in generate_items(8, 700, "train", sorted({*TASKS} - others)):
        if recognise(item.prompt) and item.difficulty == difficulty:
            recognised += 1
            assert work_out(item.prompt) == item.answer.rsplit("=", 1)[-1].strip(), item
    assert recognised > 100


def plan(*steps: tuple[str, str, str]) -> Plan:
    return Plan(tuple(Step(i, task, 3, 50, tuple(filter(None, rely.split(",")))) for i, task, rely in steps))


EXPECTED = plan(("1", "What is 23 + 48?", ""), ("2", "What is 17 - 9?", ""), ("3", "What is {1} * {2}?", "1,2"))


@pytest.mark.parametrize(
    "other",
    [
        EXPECTED,
        plan(("1", "What is 17 - 9?", ""), ("2", "What is 23 + 48?", ""), ("3", "What is {2} * {1}?", "1,2")),
        plan(("a", "Add 48 and 23.", ""), ("b", "17减9等于多少？", ""), ("c", "Multiply {b} by {a}.", "b,a")),
    ],
)
def test_numbering_order_and_phrasing_do_not_make_another_plan(other: Plan) -> None:
    renamed = Plan(tuple(Step(*_numbered(step)) for step in other.steps))
    assert same_dag(renamed, EXPECTED)


def _numbered(step: Step) -> tuple[str, str, int, int, tuple[str, ...]]:
    numbers = str.maketrans("abc", "123")
    task = step.task.replace("{a}", "{1}").replace("{b}", "{2}").replace("{c}", "{3}")
    return (
        step.id.translate(numbers),
        task,
        step.difficulty,
        step.token,
        tuple(needed.translate(numbers) for needed in step.rely),
    )


@pytest.mark.parametrize(
    "other",
    [
        plan(("1", "What is 23 + 49?", ""), ("2", "What is 17 - 9?", ""), ("3", "What is {1} * {2}?", "1,2")),
        plan(("1", "What is 23 + 48?", ""), ("2", "What is 9 - 17?", ""), ("3", "What is {1} * {2}?", "1,2")),
        plan(("1", "What is 23 + 48?", ""), ("2", "What is 17 - 9?", ""), ("3", "What is {1} * {1}?", "1,2")),
        plan(("1", "What is 23 + 48?", ""), ("2", "What is 17 - 9?", ""), ("3", "What is {1} * {2}?", "1")),
        plan(("1", "What is 23 + 48?", ""), ("2", "What is 17 - 9?", "1"), ("3", "What is {1} * {2}?", "1,2")),
        plan(("1", "What is 23 + 48?", ""), ("2", "What is 17 - 9?", ""), ("3", "Tell me {1} * {2}!", "1,2")),
        plan(("1", "What is 23 + 48?", ""), ("3", "What is {1} * 8?", "1")),
        Plan((*EXPECTED.steps, Step("4", "What is {3} + 1?", 3, 50, ("3",)))),
    ],
)
def test_other_operands_steps_or_dependencies_make_another_plan(other: Plan) -> None:
    assert not same_dag(other, EXPECTED)


def test_plans_that_send_a_step_to_the_other_model_are_told_apart() -> None:
    hard = Plan((*EXPECTED.steps[:2], Step("3", "What is {1} * {2}?", 7, 50, ("1", "2"))))
    assert same_dag(hard, EXPECTED)
    assert not same_models(hard, EXPECTED)
    assert same_models(EXPECTED, EXPECTED)


def test_exact_answers_follow_the_quotes() -> None:
    joined = Plan((*EXPECTED.steps, Step("4", "{3}, {1}", 1, 24, ("1", "3"))))
    assert exact_answers(joined) == {"1": "71", "2": "8", "3": "568", "4": "568, 71"}


@pytest.mark.parametrize("task", ["Tell me a joke.", "What is the atomic number of cheese?", ""])
def test_what_the_world_does_not_know_cannot_be_worked_out(task: str) -> None:
    with pytest.raises(ValueError, match="demo world"):
        work_out(task)


def test_a_plan_of_the_example_is_read() -> None:
    question = draw_composed(random.Random(1), "expression", "en", "train")
    assert parse_plan(compact_xml(question.plan)) == question.plan
