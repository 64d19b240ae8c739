from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.applications.numbers import Allowed, checked_numbers, numbers_in
from tests.support.growth import grows_evenly


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,250万元，同比增长28%", [(1250, 12_500_000, False), (28, 28, True)]),
        ("１２．５％", [(12.5, 12.5, True)]),
        ("change: -3.5, from 2019-2024", [(-3.5, -3.5, False), (2019, 2019, False), (2024, 2024, False)]),
        ("$4.5 million and 52k", [(4.5, 4_500_000, False), (52, 52_000, False)]),
        ("百分之二十，三成，一千二百", [(20, 20, True), (30, 30, True), (1200, 1200, False)]),
        ("twenty-five percent of one hundred and twenty", [(25, 25, True), (120, 120, False)]),
        ("one of them is十分 good", []),
    ],
)
def test_numbers_are_read_in_digits_and_words(text: str, values: list[tuple[float, float, bool]]) -> None:
    assert [(one.value, one.scaled, one.is_percent) for one in numbers_in(text)] == values


def test_a_number_that_is_not_given_is_struck_out_and_named() -> None:
    allowed = Allowed().add([890, 1520, 12.345]).add([70.786], is_percent=True)
    found = checked_numbers("From 890 to 1,520, up 70.8%; the mean was 12.3, the peak 1,600, up 15%.", allowed)
    assert found.struck == ("1,600", "15%") and found.kept == 4
    assert found.text == "From 890 to 1,520, up 70.8%; the mean was 12.3, the peak ~~1,600~~, up ~~15%~~."


def test_a_percentage_is_not_a_number_and_signs_do_not_count() -> None:
    allowed = Allowed().add([28]).add([-6.2], is_percent=True)
    assert checked_numbers("28% and fell by 6.2%", allowed).struck == ("28%",)


def test_marks_of_lists_and_sources_are_no_statements() -> None:
    assert not checked_numbers("1. First [3]\n2) Second [4, 5]\n3、第三", Allowed()).struck


def test_a_rounder_number_than_was_given_is_only_let_through_as_it_rounds() -> None:
    allowed = Allowed().add([1519.6])
    assert checked_numbers("1,520 and 1519.6, not 1,519 or 1,500", allowed).struck == ("1,519", "1,500")


@given(st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=8), st.text(max_size=60))
def test_striking_out_changes_nothing_else(values: list[float], text: str) -> None:
    text = text.replace("~", "")
    said = text + " " + " ".join(f"{value:.2f}" for value in values)
    found = checked_numbers(said, Allowed().add(values))
    assert found.text.replace("~~", "") == said
    assert not set(found.struck) & {f"{value:.2f}" for value in values if f"{value:.2f}" not in text}


@pytest.mark.parametrize(
    "piece",
    ["1 eleven ", "twenty ", "百分之二十 ", "一万万", "1,111", "三成 5% ", "hundred million ", "twelve hundred "],
)
def test_looking_for_numbers_takes_as_long_as_the_text(piece: str) -> None:
    assert grows_evenly(numbers_in, piece)


@pytest.mark.parametrize("piece", ["1. 17% [3]\n", "[1] 5 ", "twelve 13 ", "\n", "-", " \n", "[1,"])
def test_striking_out_takes_as_long_as_the_text(piece: str) -> None:
    allowed = Allowed().add(float(n) for n in range(1000, 60_000))
    assert grows_evenly(lambda text: checked_numbers(text, allowed), piece)


@pytest.mark.parametrize("text", ["一" + "万" * 1000, "一" + "万亿" * 15, "twelve" + " hundred" * 400, "9" * 400])
def test_what_no_number_can_be_is_none(text: str) -> None:
    assert all(math.isfinite(one.value) for one in numbers_in(text))
    assert checked_numbers(f"{text} and 5", Allowed().add_text(text)).struck[-1] == "5"
