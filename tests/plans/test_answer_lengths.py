from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.answer_lengths import (
    MAX_WHOLE_CHARACTERS,
    SeenAnswer,
    expected_tokens,
    whole_tasks,
)
from multi_llm_comparator.plans.plan import Step


def seen(task: str, tokens: int, *, whole: str = "", difficulty: int = 1) -> SeenAnswer:
    return SeenAnswer(task, whole or task, difficulty, 100, tokens)


def step(task: str, *rely: str, id: str = "1", difficulty: int = 1, token: int = 100) -> Step:
    return Step(id, task, difficulty, token, rely)


def test_of_the_same_task_the_median_is_expected_within_the_budget():
    known = [seen("short one", 4), seen("short one", 6), seen("x" * 400, 90, difficulty=9)]
    assert expected_tokens(known, step("short one"), "short one") == 5
    assert expected_tokens(known, step("short one", token=3), "short one") == 3
    assert expected_tokens([], step("short one"), "short one") is None


def test_of_an_unseen_task_those_that_read_like_it_tell_most():
    known = [seen("What is 12 * 12?", 47), seen("What is 31 + 19?", 17), seen("Name the capital of France.", 3)]
    assert expected_tokens(known, step("What is 87 * 55?"), "What is 87 * 55?") == pytest.approx(47, abs=9)
    assert expected_tokens(known, step("Name the capital of Japan."), "") == pytest.approx(3, abs=1)
    assert expected_tokens(known, step("日本的首都是哪里？"), "") is not None
    long = [seen("x" * 400, 90, difficulty=9), seen("short one", 4)]
    assert expected_tokens(long, step("y" * 390, difficulty=9), "") == pytest.approx(90, abs=2)


def test_a_task_that_quotes_answers_is_told_by_what_these_answer():
    plan = [step("What is 12 * 12?"), step("What is 7 * 8?", id="2"), step("What is {1} + {2}?", "1", "2", id="3")]
    other = [step("What is 1 + 2?"), step("What is 3 + 4?", id="2"), step("What is {1} + {2}?", "1", "2", id="3")]
    large, small = whole_tasks(plan)["3"], whole_tasks(other)["3"]
    assert large == "What is (What is 12 * 12?) + (What is 7 * 8?)?"
    known = [seen("What is {1} + {2}?", 27, whole=large), *[seen("What is {1} + {2}?", 9, whole=small)] * 5]
    assert expected_tokens(known, plan[2], large) == 27
    assert expected_tokens(known, plan[2], small) == 9
    assert 9 < expected_tokens(known, plan[2], "What is (unseen) + (unseen)?") < 27


def test_answers_that_are_only_listed_belong_to_the_whole_but_the_task_is_known_without_them():
    plan = [step("Name a river."), step("Praise it.", "1", id="2")]
    assert whole_tasks(plan)["2"] == "Praise it.\n(Name a river.)"
    known = [seen("Praise it.", 40, whole="Praise it.\n(Name a hill.)"), seen("Praise me.", 4)]
    assert expected_tokens(known, plan[1], whole_tasks(plan)["2"]) == 40


@given(st.lists(st.sampled_from(["{0}{1}{2}", "{3} and {3}", "plain", "#1 + #2"]), max_size=60))
def test_whole_tasks_stay_bounded_however_steps_quote_each_other(tasks):
    steps = [step(t, *(str(n) for n in range(min(i, 4))), id=str(i)) for i, t in enumerate(tasks)]
    whole = whole_tasks(steps)
    assert whole.keys() == {s.id for s in steps}
    assert all(len(text) <= MAX_WHOLE_CHARACTERS for text in whole.values())
