from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompts import aggregate_prompt, joined_results, result_of, step_prompt

ANSWERS = {"1": "568", "2": "Yes"}


def joining(task: str, *rely: str) -> str | None:
    return joined_results(Step("3", task, 1, 10, rely), ANSWERS)


@pytest.mark.parametrize(
    ("task", "rely", "joined"),
    [
        ("{1}, {2}", ("1", "2"), "568, Yes"),
        ("{2}；{1}", ("1", "2"), "Yes；568"),
        ("#1 $2", ("1", "2"), "568 Yes"),
        ("{1}", ("1",), "568"),
    ],
)
def test_quotes_alone_are_put_side_by_side(task: str, rely: tuple[str, ...], joined: str) -> None:
    assert joining(task, *rely) == joined


@pytest.mark.parametrize(
    ("task", "rely"),
    [
        ("{1} and {2}", ("1", "2")),
        ("Repeat {1}", ("1",)),
        ("{1} + {2}", ("1", "2")),
        ("{1}, {2}", ("1",)),
        ("{1}", ("1", "2")),
        ("{9}", ("1",)),
        ("$5", ()),
        (", ;", ()),
    ],
)
def test_anything_more_than_quotes_is_for_a_model(task: str, rely: tuple[str, ...]) -> None:
    assert joining(task, *rely) is None


@pytest.mark.parametrize(
    ("task", "prompt"),
    [
        ("Add $1,000 to {1}", "Add $1,000 to 568"),
        ("Add $1 to {1}", "Add $1 to 568"),
        ("Add $1.50 to #1", "Add $1.50 to 568"),
        ("Add $12,000 to $1.", "Add $12,000 to 568."),
        ("Round $1, then halve {x}", "Round 568, then halve {x}"),
    ],
)
def test_an_amount_of_money_is_no_quote(task: str, prompt: str) -> None:
    assert step_prompt(Step("3", task, 1, 10, ("1",)), {"1": "568"}, {}) == prompt


def test_what_is_put_together_shows_each_task_as_it_was_asked() -> None:
    plan = Plan((Step("1", "Add.", 1, 10), Step("5", "Pay $1 more.", 1, 10), Step("6", "Halve #1.", 1, 10, ("1",))))
    prompt = aggregate_prompt("What?", plan, {"1": "568", "5": "6", "6": "284"})
    assert "Step 5 (Pay $1 more.): 6" in prompt
    assert "Step 6 (Halve 568.): 284" in prompt


@pytest.mark.parametrize(
    ("answer", "after", "result"),
    [
        ("23 + 48 = 63 + 8 = 71", "=", "71"),
        ("Natalia sold 72 clips.\n#### 72", "####", "72"),
        ("71", "=", "71"),
        ("x =", "=", "x ="),
        (" a = b ", "", "a = b"),
        ("", "=", ""),
    ],
)
def test_a_result_is_what_follows_the_last_mark(answer: str, after: str, result: str) -> None:
    assert result_of(answer, after) == result


@given(st.text(), st.text(max_size=5))
def test_a_result_is_part_of_the_answer_and_empty_only_if_that_is(answer: str, after: str) -> None:
    result = result_of(answer, after)
    assert result in answer
    assert bool(result) == bool(answer.strip())
