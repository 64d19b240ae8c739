"""The demo world: the same seed gives the same questions, and held-out content stays out of training."""

import random
import re
from functools import reduce
from operator import add, mul, sub

import pytest

from demo.world import DIFFICULTIES, LANGUAGES, TASKS, draw, generate
from demo.world.arithmetic import difference_working, product_working, sum_working
from demo.world.facts import FACTS
from demo.world.item import HELDOUT_SHARE, split_of
from demo.world.lexicon import MORE_NOUNS, WORDS
from demo.world.words import invented_word, plural_of

ROUND = 4 * len(TASKS)


def test_same_seed_gives_the_same_items() -> None:
    assert list(generate(7, 3 * ROUND, "train")) == list(generate(7, 3 * ROUND, "train"))
    assert list(generate(7, ROUND, "train")) != list(generate(8, ROUND, "train"))


def test_splits_share_no_content() -> None:
    train = {item.key for item in generate(1, 100 * ROUND, "train")} - {""}
    heldout = {item.key for item in generate(2, 100 * ROUND, "heldout")}
    assert len(train) > 2000
    assert len(heldout) > 1000
    assert not train & heldout
    assert "" not in heldout


def test_both_languages_share_one_split() -> None:
    """An operand pair held out in English is never trained on in Chinese."""
    by_language = {}
    for language in LANGUAGES:
        rng = random.Random(3)
        by_language[language] = {draw(rng, "sum", language, "easy", "heldout").key for _ in range(3000)}
    rng = random.Random(4)
    trained = {draw(rng, "sum", "zh", "easy", "train").key for _ in range(3000)}
    assert by_language["en"] & by_language["zh"]
    assert not trained & by_language["en"]


def test_generation_is_balanced() -> None:
    counts: dict[tuple[str, str, str], int] = {}
    for item in generate(5, 2 * ROUND, "heldout"):
        group = (item.task, item.language, item.difficulty)
        counts[group] = counts.get(group, 0) + 1
    for task in TASKS:
        for language in LANGUAGES:
            assert sum(counts.get((task, language, level), 0) for level in DIFFICULTIES) == 4


def test_about_one_key_in_ten_is_held_out() -> None:
    share = sum(split_of(f"sum|{a}|{b}") == "heldout" for a in range(100) for b in range(100)) / 10_000
    assert abs(share - 1 / HELDOUT_SHARE) < 0.01


def test_drill_material_is_only_trained_on() -> None:
    assert split_of("") == "train"


def test_tasks_can_be_chosen() -> None:
    assert {item.task for item in generate(1, 40, "heldout", ["sum", "fact"])} == {"sum", "fact"}


@pytest.mark.parametrize(
    ("a", "b", "working"),
    [
        (23, 17, "23 * 17 = 230 + 161 = 330 + 61 = 390 + 1 = 391"),
        (7, 8, "7 * 8 = 56"),
        (7, 23, "7 * 23 = 140 + 21 = 160 + 1 = 161"),
        (345, 6, "345 * 6 = 1800 + 240 + 30 = 2000 + 40 + 30 = 2040 + 30 = 2070"),
        (40, 7, "40 * 7 = 280"),
        (0, 15, "0 * 15 = 0"),
    ],
)
def test_products_show_their_partial_products(a: int, b: int, working: str) -> None:
    assert product_working(a, b) == working


def test_every_line_of_a_working_has_the_same_value() -> None:
    for a in range(0, 1000, 13):
        for b in range(0, 1000, 17):
            for working, value in (
                (product_working(a, b), a * b),
                (sum_working(a, b), a + b),
                (difference_working(a, b), a - b),
            ):
                *lines, result = working.split(" = ")
                assert result == str(value)
                assert all(_value(line) == value for line in lines), working


def _value(line: str) -> int:
    """The value of "a + b + ...", "a - b", "-(a - b)" or "a * b"."""
    if line.startswith("-("):
        return -_value(line[2:-1])
    for sign, combine in (("*", mul), ("+", add), ("-", sub)):
        if f" {sign} " in line:
            return reduce(combine, map(int, line.split(f" {sign} ")))
    return int(line)


@pytest.mark.parametrize(
    ("working", "expected"),
    [
        (sum_working(58, 67), "58 + 67 = 117 + 8 = 125"),
        (sum_working(5, 807), "5 + 807 = 812"),
        (difference_working(83, 47), "83 - 47 = 43 - 7 = 36"),
        (difference_working(47, 83), "47 - 83 = -(83 - 47) = -(43 - 7) = -36"),
    ],
)
def test_sums_and_differences_are_worked_out_digit_by_digit(working: str, expected: str) -> None:
    assert working == expected


def test_worked_times_end_in_the_right_time() -> None:
    for item in generate(3, 800, "train", ["time"]):
        lines = [line.strip() for line in item.answer.split("=")]
        if len(lines) == 3 and ":" in lines[0]:
            start, sign, minutes = lines[0].split()
            later = _minutes(start) + (int(minutes) if sign == "+" else -int(minutes))
            assert _minutes(lines[-1]) == later % (24 * 60), item
        elif " + " in item.answer:
            assert len({_value(line) for line in lines}) == 1, item


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def test_a_choice_is_read_up_to_the_right_option_and_ends_in_its_letter() -> None:
    for item in generate(3, 200, "heldout", ["choice"]):
        read, letter = item.answer.split(" = ")
        last, option = read.split(", ")[-1].split(". ")
        assert last == letter, item
        assert re.search(rf"{letter}[.)] {re.escape(option)}(\n| B\.| C\.| D\.|$)", item.prompt), item


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("city", "cities"), ("toy", "toys"), ("box", "boxes"), ("watch", "watches"), ("child", "children")],
)
def test_plurals(noun: str, plural: str) -> None:
    assert plural_of(noun) == plural


def test_invented_words_have_the_length_asked_for() -> None:
    rng = random.Random(1)
    assert all(len(invented_word(rng, n)) == n for n in range(3, 11) for _ in range(50))


def test_the_world_is_as_large_as_described() -> None:
    assert len(FACTS["easy"]) >= 150
    assert len(WORDS) >= 120
    assert len(set(MORE_NOUNS)) == len(MORE_NOUNS)


def test_a_fact_question_has_one_answer() -> None:
    answers: dict[str, set[str]] = {}
    for item in generate(9, 8000, "train", ["fact"]):
        answers.setdefault(item.prompt, set()).add(item.answer)
    assert {prompt: found for prompt, found in answers.items() if len(found) > 1} == {}


def test_a_single_word_has_one_translation() -> None:
    answers: dict[str, set[str]] = {}
    for item in generate(9, 16000, "train", ["translate"]):
        answers.setdefault(item.prompt, set()).add(item.answer)
    assert {prompt: found for prompt, found in answers.items() if len(found) > 1} == {}
