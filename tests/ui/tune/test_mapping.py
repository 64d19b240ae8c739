from __future__ import annotations

from multi_llm_comparator.training.data.spec import ColumnMapping
from multi_llm_comparator.ui.tune.mapping import guessed


def test_columns_are_guessed_by_their_names() -> None:
    assert guessed(["id", "Question", "Answer"]) == ColumnMapping(user=("Question",), assistant="Answer")
    assert guessed(["问题", "答案"]) == ColumnMapping(user=("问题",), assistant="答案")


def test_a_part_of_a_name_is_enough() -> None:
    assert guessed(["user_question", "final_answer"]) == ColumnMapping(
        user=("user_question",), assistant="final_answer"
    )


def test_a_list_of_turns_is_taken_for_a_conversation() -> None:
    row = {"chat": [{"role": "user", "content": "hello"}]}
    assert guessed(["chat"], row) == ColumnMapping(conversation="chat")


def test_unknown_names_are_left_to_the_reader() -> None:
    assert guessed(["a", "b"]) is None
    assert guessed(["chat"], {"chat": "one text"}) is None
