"""From texts to ballots: numbers, choices, short texts, in English and Chinese."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.cooperation.grouping import read_groups
from multi_llm_comparator.cooperation.modes.council import read_ranking
from multi_llm_comparator.cooperation.normalising import ballot_of, han_number, kind_of, number_value, options_of
from tests.support.growth import grows_evenly

CITIES = "What is the capital of France?\nA. Lyon\nB. Paris\nC. Nice\nD. A city elsewhere"
FUNDING = (
    "一家初创公司应该选择以下哪种融资方式？\n    A. 风险投资（VC）\n    B. 天使投资\n    C. 银行贷款\n    D. 众筹\n"
)


def said(answer: str, question: str = "") -> str | None:
    found = ballot_of(answer, question)
    return found.value if found else None


@pytest.mark.parametrize(
    ("question", "letters", "kind"),
    [
        (CITIES, "ABCD", "choice"),
        (FUNDING, "ABCD", "choice"),
        ("Choose: A) red B) green C) blue", "ABC", "choice"),
        ("Vitamin A. is it healthy?", "", "text"),
        ("How many legs have 3 cats?", "", "number"),
        ("23 + 48 是多少？", "", "number"),
        ("Who wrote Faust?", "", "text"),
    ],
)
def test_a_question_says_what_answers_to_it_are_compared_as(question: str, letters: str, kind: str) -> None:
    assert ("".join(options_of(question)), kind_of(question)) == (letters, kind)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("**B. Paris**", "B"),
        ("(b) is wrong; the answer is (B).", "B"),
        ("The correct answer is B: Paris", "B"),
        ("Paris is the capital, as everybody knows.", "B"),
        ("First I thought of C, but I choose B because of the Seine.", "B"),
        ("A city far away? No. The answer is C", "C"),
        ("答案是：B", "B"),
        ("所以选 D", "D"),
        ("I do not know.", None),
        ("<think>The answer is A</think>The answer is C", "C"),
    ],
)
def test_a_choice_is_found(answer: str, letter: str | None) -> None:
    assert said(answer, CITIES) == letter


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("42", "42"),
        ("So 40 + 2 makes 42.", "42"),
        ("The answer is 1,234.50 dollars, not 99.", "1234.5"),
        ("\\boxed{-7}", "-7"),
        ("#### 3/4", "0.75"),
        ("答案是一百二十三", "123"),
        ("一共有 3 万人", "30000"),
        ("42.0", "42"),
        ("$1.5 million", "1500000"),
        ("no number stands here at all, and it goes on and on, far longer than any short text would ever be", None),
    ],
)
def test_a_number_is_found(answer: str, value: str | None) -> None:
    assert said(answer, "How many?") == value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Goethe", "The answer is: **goethe**."),
        ("the moon", "Moon!"),
        ("北京。", "答案是北京"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_short_texts_that_mean_the_same_are_the_same(one: str, other: str) -> None:
    assert said(one, "Which?") == said(other, "Which?") is not None


def test_yes_and_no_are_found_at_the_beginning_of_an_explanation() -> None:
    assert said("Yes, because it is round and everybody can see that from far away or from above.", "Is it?") == "yes"
    assert said("不是，因为地球是圆的。", "地球是平的吗？") == "no"


def test_a_long_answer_has_no_ballot() -> None:
    assert said("It depends. " * 30, "Which way is best?") is None
    assert said("", "Which?") is None


@given(st.integers(-(10**12), 10**12))
def test_a_number_is_the_same_however_it_is_written(n: int) -> None:
    assert number_value(str(n)) == number_value(f"{n:,}") == number_value(f"{n}.00") == str(n)


@given(st.integers(1, 99_999))
def test_chinese_numerals_are_read(n: int) -> None:
    digits, units = "零一二三四五六七八九", ["", "十", "百", "千", "万"]
    written = "".join(digits[int(d)] + units[len(str(n)) - 1 - i] if d != "0" else "" for i, d in enumerate(str(n)))
    assert han_number(written) == n


@given(st.text(max_size=300), st.text(max_size=200))
def test_any_text_has_a_ballot_or_none(answer: str, question: str) -> None:
    found = ballot_of(answer, question)
    assert found is None or found.value


@pytest.mark.parametrize("piece", ["{", '{"', "万", "answer is ", "<think>", "A) ", "\n", "( 1 ", "(", "\n(", "A\n"])
def test_reading_a_reply_takes_as_long_as_it_is(piece: str) -> None:
    assert grows_evenly(lambda text: ballot_of(text, kind="number"), piece)
    assert grows_evenly(lambda text: ballot_of(text, "Which?\nA. one\nB. two"), piece)
    assert grows_evenly(lambda text: ballot_of("B", text), piece)
    assert grows_evenly(lambda text: read_groups(text, "AB"), piece)
    assert grows_evenly(lambda text: read_ranking(text, "AB"), piece)


def test_characters_without_end_are_no_number() -> None:
    found = ballot_of("the answer is " + "万" * 9_000, kind="number")
    assert found is None or len(found.value) < 100
