from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.answer_lengths import SeenAnswer
from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.prompt_lengths import MIN_FITTED, PromptLengths

LENGTHS: tuple[Literal["prompt_tokens", "read_tokens"], ...] = ("prompt_tokens", "read_tokens")


def prompt(characters: int, quoted: int, read: int, whole: str = "") -> SeenAnswer:
    task = "t" * characters
    return SeenAnswer(task, whole or f"{task} {quoted}", 1, 10, 5, read_tokens=read, quoted_tokens=quoted)


def test_what_a_prompt_is_made_of_is_found_again():
    seen = [prompt(n, q, 8 + n // 4 + 2 * q) for n in range(4, 60, 4) for q in (0, 3, 7)]
    lengths = PromptLengths.fitted("read_tokens", seen)
    assert lengths.fixed == pytest.approx(8)
    assert lengths.per_character == pytest.approx(0.25)
    assert lengths.per_quoted_token == pytest.approx(2)
    assert lengths.expected(seen, Step("1", "x" * 100, 1, 10), "never seen", 10) == pytest.approx(53)


def test_the_same_task_is_read_as_it_was():
    seen = [prompt(10, 0, read, "the same") for read in (7, 9, 30)]
    step = Step("1", "x" * 1000, 1, 10)
    assert PromptLengths.fitted("read_tokens", seen).expected(seen, step, "the same", 500) == 9


def test_few_prompts_tell_only_how_long_they_are_as_a_rule():
    lengths = PromptLengths.fitted("read_tokens", [prompt(n, 0, n) for n in range(1, MIN_FITTED)])
    assert (lengths.fixed, lengths.per_character) == (6.0, 0.0)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(0, 500), st.integers(0, 5_000)), min_size=1, max_size=60))
def test_no_prompt_is_predicted_below_nothing(prompts):
    lengths = PromptLengths.fitted("read_tokens", [prompt(*one) for one in prompts])
    for characters, quoted, _ in prompts:
        assert lengths.expected([], Step("1", "x" * characters, 1, 10), "w", quoted) >= 0


def test_the_whole_prompt_is_predicted_as_what_of_it_is_read():
    seen = [SeenAnswer("t" * n, f"{n}", 1, 10, 5, read_tokens=1, prompt_tokens=20 + n) for n in range(1, 20)]
    expected = {
        of: PromptLengths.fitted(of, seen).expected(seen, Step("1", "x" * 30, 1, 10), "new", 0) for of in LENGTHS
    }
    assert expected == {"prompt_tokens": pytest.approx(50), "read_tokens": pytest.approx(1)}
