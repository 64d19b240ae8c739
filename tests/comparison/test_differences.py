"""Differences of two texts: exact, small where the texts are alike, readable."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.comparison import differences
from multi_llm_comparator.comparison.differences import Fold, Piece, are_equal, folded, word_differences

WORDS = st.lists(
    st.sampled_from(["the", "sea", "is", "blue", "海", "是", "蓝", ",", "\n", "don't", " ", "x_y"]), max_size=40
)
TEXTS = st.one_of(st.text(max_size=60), WORDS.map(" ".join), WORDS.map("".join))


def side(pieces: tuple[Piece, ...], kind: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in ("same", kind))


@given(TEXTS, TEXTS)
def test_the_pieces_are_both_texts_to_the_sign(a: str, b: str) -> None:
    pieces = word_differences(a, b)
    assert side(pieces, "removed") == a
    assert side(pieces, "added") == b


@given(TEXTS, TEXTS)
def test_neighbours_differ_in_kind_and_none_is_empty(a: str, b: str) -> None:
    pieces = word_differences(a, b)
    kinds = [piece.kind for piece in pieces]
    assert all(one != other for one, other in pairwise(kinds))
    assert ("added", "removed") not in list(pairwise(kinds))
    assert all(piece.text for piece in pieces)


@given(TEXTS)
def test_equal_texts_show_nothing(text: str) -> None:
    assert are_equal(word_differences(text, text))


@given(TEXTS, TEXTS)
def test_turned_round_what_was_removed_was_added(a: str, b: str) -> None:
    assert are_equal(word_differences(a, b)) == are_equal(word_differences(b, a)) == (a == b)


@given(TEXTS, TEXTS, st.integers(0, 30))
def test_folding_loses_nothing(a: str, b: str, beside: int) -> None:
    pieces = word_differences(a, b)
    assert "".join(piece.text for piece in folded(pieces, beside)) == "".join(piece.text for piece in pieces)


def test_one_word_that_differs_is_shown_as_that_word() -> None:
    assert word_differences("The sky is blue today.", "The sky is grey today.") == (
        Piece("same", "The sky is"),
        Piece("removed", " blue"),
        Piece("added", " grey"),
        Piece("same", " today."),
    )


def test_chinese_is_compared_sign_by_sign() -> None:
    assert word_differences("天空是蓝色的。", "天空是灰色的。") == (
        Piece("same", "天空是"),
        Piece("removed", "蓝"),
        Piece("added", "灰"),
        Piece("same", "色的。"),
    )


def test_a_space_that_differs_is_the_only_difference() -> None:
    assert word_differences("one two\nthree", "one two three") == (
        Piece("same", "one two"),
        Piece("removed", "\n"),
        Piece("added", " "),
        Piece("same", "three"),
    )


def test_a_lone_common_word_between_two_changes_is_part_of_them() -> None:
    pieces = word_differences("apples fall from the tallest trees", "clouds drift over the widest plains")
    assert [piece.kind for piece in pieces] == ["removed", "added"]


def test_long_stretches_that_are_the_same_fold() -> None:
    same = "word " * 200
    shown = list(folded(word_differences(f"{same}red {same}", f"{same}blue {same}")))
    folds = [piece for piece in shown if isinstance(piece, Fold)]
    assert len(folds) == 2 and all(fold.words > 100 for fold in folds)
    assert sum(len(piece.text) for piece in shown if isinstance(piece, Piece)) < 600


def test_texts_of_too_many_words_are_compared_by_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "MAX_TABLE_BITS", 50)
    a, b = "one two three\nfour five six\nseven eight nine\n", "one two 3\nfour five six\nseven eight 9\n"
    pieces = word_differences(a, b)
    assert side(pieces, "removed") == a and side(pieces, "added") == b
    assert Piece("same", "\nfour five six\nseven eight ") not in pieces
    assert any(piece.kind == "same" and "four five six" in piece.text for piece in pieces)


def test_ten_thousand_words_of_any_kind_are_aligned_with_little_memory() -> None:
    chance = random.Random(5)
    words = ["the", "of", "a", *(f"w{n}" for n in range(300))]
    a, b = (" ".join(chance.choice(words) for _ in range(10_000)) for _ in range(2))
    pieces = word_differences(a, b)
    assert side(pieces, "removed") == a and side(pieces, "added") == b
