"""Log-probabilities and the likeliest tokens of one place, from its logits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.token_pieces import NO_CHANCE, TokenChance, TokenPiece, piece_from_list, piece_to_list
from multi_llm_comparator.inferencers.token_chances import Chances, likeliest

SIZES = st.integers(1, 700) | st.integers(2000, 5000)
# With the widest only a few logits lie near the largest.
WIDTHS = st.sampled_from((0.1, 1.0, 5.0, 50.0))


@given(size=SIZES, n_top=st.integers(0, 20), seed=st.integers(0, 999), width=WIDTHS, is_coarse=st.booleans())
def test_the_likeliest_are_those_of_a_full_sort(
    size: int, n_top: int, seed: int, width: float, is_coarse: bool
) -> None:
    logits = np.random.default_rng(seed).normal(scale=width, size=size).astype(np.float32)
    if is_coarse:
        logits = np.round(logits)
    expected = np.argsort(-logits, kind="stable")[:n_top].tolist()
    assert likeliest(logits, n_top).tolist() == expected
    assert likeliest(logits, n_top, float(logits.max())).tolist() == expected


@given(size=SIZES, n_top=st.integers(1, 20), seed=st.integers(0, 999), share=st.floats(0, 1), width=WIDTHS)
def test_what_is_impossible_is_not_among_the_likeliest(
    size: int, n_top: int, seed: int, share: float, width: float
) -> None:
    chance = np.random.default_rng(seed)
    drawn = chance.normal(scale=width, size=size)
    logits = np.where(chance.random(size) < share, drawn, -np.inf).astype(np.float32)
    possible = [i for i in np.argsort(-logits, kind="stable").tolist() if logits[i] > -np.inf]
    assert likeliest(logits, n_top).tolist() == possible[:n_top]


def test_chances_are_those_before_the_logits_change() -> None:
    logits = np.array([1.0, 3.0, 2.0, -np.inf], np.float32)
    chances = Chances(2)
    chances.look(logits, 3.0)
    logits[:] = 0
    piece = chances.piece(2, lambda token: (str(token), str(token).encode()))
    expected = np.log(np.exp([1.0, 3.0, 2.0]) / np.exp([1.0, 3.0, 2.0]).sum())
    assert piece.logprob == pytest.approx(expected[2], abs=1e-6)
    assert [(one.id, one.text) for one in piece.top] == [(1, "1"), (2, "2")]
    assert piece.top[0].logprob == pytest.approx(expected[1], abs=1e-6)
    assert chances.logprob(3) == NO_CHANCE


TEXTS = st.text(max_size=4)
BYTES = st.binary(max_size=4)


@given(text=TEXTS, raw=BYTES, own=st.booleans(), logprob=st.floats(-50, 0), others=st.lists(st.tuples(TEXTS, BYTES)))
def test_a_piece_comes_back_from_plain_data(
    text: str, raw: bytes, own: bool, logprob: float, others: list[tuple[str, bytes]]
) -> None:
    given_bytes = tuple(text.encode()) if own else tuple(raw)
    top = tuple(TokenChance(i, other, round(logprob, 6), tuple(b)) for i, (other, b) in enumerate(others))
    piece = TokenPiece(7, text, given_bytes, round(logprob, 6), top)
    assert piece_from_list(piece_to_list(piece)) == piece


@pytest.mark.parametrize(
    "data", [None, [], [1, "a", 0.0, [256], []], [1, "a", "x", None, []], [1, "a", 0.0, None, [[1]]]]
)
def test_what_is_no_piece_is_refused(data: object) -> None:
    with pytest.raises(ConfigurationError, match="no piece"):
        piece_from_list(data)
