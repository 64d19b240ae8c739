"""The longer way to an answer, as the large model is taught it."""

import re

import pytest

from demo.scoring import final_answer
from demo.world import Item, generate
from demo.world.arithmetic import product_worked
from demo.world.numbers import compared, sort_worked
from demo.world.words import counted, numbered

WORKED = [item for item in generate(3, 2000, "train") if item.worked]


def value(expression: str) -> int:
    """The value of a line of sums, differences and products of whole numbers."""
    assert re.fullmatch(r"[\d +*()-]+", expression)
    return int(eval(expression))


def test_the_longer_way_ends_where_the_short_one_does() -> None:
    assert len(WORKED) > 500
    assert [item for item in WORKED if final_answer(item.worked) != final_answer(item.answer)] == []


def test_it_is_taught_only_to_who_works_out() -> None:
    item = Item("2 * 3", "2 * 3 = 6", "product", "en", "easy", worked="2 * 3 = 3 + 3 = 6")
    assert item.solution(works_out=True) == item.worked
    assert item.solution(works_out=False) == item.answer
    assert Item("Hi", "Hello", "talk", "en", "easy").solution(works_out=True) == "Hello"


@pytest.mark.parametrize(
    ("a", "b", "working"),
    [
        (23, 17, "23 * 17 = 200 + 30 + 140 + 21 = 230 + 140 + 21 = 330 + 40 + 21 = 370 + 21 = 390 + 1 = 391"),
        (30, 20, "30 * 20 = 600"),
        (10, 0, "10 * 0 = 0"),
    ],
)
def test_products_of_two_digits_are_products_of_single_digits_added_up(a: int, b: int, working: str) -> None:
    assert product_worked(a, b) == working


def test_every_line_of_a_worked_product_has_the_same_value() -> None:
    lines = [product_worked(a, b).split(" = ") for a in range(10, 100, 7) for b in range(10, 100, 11)]
    assert all(len({value(line) for line in working}) == 1 for working in lines)


def test_numbers_are_compared_from_the_front_as_far_as_it_takes() -> None:
    assert compared(4312, 4378) == "4 4, 3 3, 1 7, 4312 < 4378"
    assert compared(214, 88) == "2 0, 214 > 88"
    assert compared(7, 7) == "7 7, 7 = 7"


def test_sorting_puts_one_number_after_the_other_in_its_place() -> None:
    assert sort_worked([72, 18, 54], descending=False) == "72 = 18, 72 = 18, 54, 72"
    assert sort_worked([18, 72], descending=True) == "18 = 72, 18"


def test_letters_are_numbered_and_counted_one_by_one() -> None:
    assert numbered("cat") == "c 1, a 2, t 3"
    assert counted("tree", "e") == "t 0, r 0, e 1, e 2"


def test_every_claim_in_a_worked_time_is_true() -> None:
    times = [re.sub(r" = \d\d:\d\d$", "", item.worked).split(": ")[-1] for item in WORKED if item.task == "time"]
    claims = [claim.split(" = ") for text in times for claim in text.split(", ")]
    assert len(claims) > 50
    assert [claim for claim in claims if len({value(side) for side in claim}) > 1] == []
