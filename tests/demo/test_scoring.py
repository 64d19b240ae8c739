"""What counts as a right answer."""

import pytest

from demo.scoring import final_answer, is_correct
from demo.world import Item


def item(answer: str, task: str = "sum") -> Item:
    return Item("?", answer, task, "en", "easy", "key")


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("391", "391"),
        ("23 * 17 = 230 + 161 = 391", "391"),
        (" 391. ", "391"),
        ("“苹果”。", "苹果"),
        ('"APPLE"', "APPLE"),
        ("-5", "-5"),
        ("", ""),
    ],
)
def test_final_answer(text: str, final: str) -> None:
    assert final_answer(text) == final


def test_working_is_not_judged_but_the_result_is() -> None:
    product = item("23 * 17 = 230 + 161 = 391", "product")
    assert is_correct(product, "391")
    assert is_correct(product, "23 * 17 = 999 + 1 = 391")
    assert not is_correct(product, "23 * 17 = 230 + 161 = 392")
    assert not is_correct(product, "391 = 23 * 17")


def test_a_result_inside_other_text_is_wrong() -> None:
    assert not is_correct(item("71"), "171")
    assert not is_correct(item("71"), "It is 71 or 72")
    assert not is_correct(item("71"), "")


def test_case_is_free_unless_it_is_the_point() -> None:
    assert is_correct(item("Yes", "compare"), "yes")
    assert not is_correct(item("APPLE", "case"), "apple")
    assert not is_correct(item("Co", "fact"), "CO")
