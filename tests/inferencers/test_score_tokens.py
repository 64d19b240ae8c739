"""Which tokens are read and which are scored; which beginnings are shared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ContextOverflowError, InferenceError
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.score_plan import MIN_PREFIX, Held, Row, best_prefix, common_length, together
from multi_llm_comparator.inferencers.score_tokens import encode, rolling_windows

TOKENS = st.lists(st.integers(1, 3), min_size=1, max_size=60)


class Letters:
    """A tokenizer whose tokens are characters; 0 is the begin mark, which texts do not get."""

    template: Any = None
    begin = 0

    def of_text(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def of_parts(self, parts: Any) -> list[int]:
        return self.of_text("".join(part.text for part in parts))

    def of_piece(self, text: str) -> list[int]:
        return self.of_text(text)


def row(context: list[int], *tails: int) -> Row:
    return Row(None, context, [[1] * n for n in tails], list(range(len(tails))))  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=200), st.integers(1, 40))
def test_windows_of_a_long_text_predict_each_token_once_and_fit(tokens: list[int], n_ctx: int) -> None:
    windows = list(rolling_windows(tokens, 0, n_ctx))
    assert [token for _, scored in windows for token in scored] == tokens
    assert all(context and len(context) + len(scored) - 1 <= n_ctx for context, scored in windows)
    done = 0
    for context, scored in windows:
        assert context == ([0] if done == 0 else tokens[done - len(context) : done])
        done += len(scored)


def test_blanks_at_the_end_of_a_prefix_belong_to_the_continuation() -> None:
    (piece,) = encode(ScoreRequest(prefix="is: ", continuations=("A", "BC")), Letters(), 64, 256).pieces
    assert piece.context == [ord(letter) for letter in "is:"]
    assert piece.tails == [[ord(letter) for letter in tail] for tail in (" A", " BC")]


def test_an_empty_prefix_stands_for_the_begin_mark() -> None:
    (piece,) = encode(ScoreRequest(prefix="", continuations=("AB",)), Letters(), 64, 256).pieces
    assert (piece.context, piece.tails) == ([0], [[65, 66]])


def test_what_does_not_fit_loses_its_beginning_if_it_may_and_fails_if_not() -> None:
    request = ScoreRequest(prefix="abcdefgh", continuations=("X", "YZ"), may_truncate=True)
    encoded = encode(request, Letters(), 4, 256)
    assert [(len(piece.context), len(piece.tails[0])) for piece in encoded.pieces] == [(4, 1), (3, 2)]
    assert encoded.truncated_tokens == 5
    with pytest.raises(ContextOverflowError, match="raise n_ctx"):
        encode(ScoreRequest(prefix="abcdefgh", continuations=("X",)), Letters(), 4, 256)
    with pytest.raises(ContextOverflowError, match="rolling"):
        encode(ScoreRequest(prefix="ab", continuations=("abcdefgh",), may_truncate=True), Letters(), 4, 256)


@pytest.mark.parametrize("wrong", [{"prefix": (1, 256)}, {"continuations": ((-1,),)}, {"at": ((300,),)}])
def test_ids_of_another_vocabulary_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InferenceError, match="another tokenizer"):
        encode(ScoreRequest(**{"prefix": "a", "continuations": ("b",), **wrong}), Letters(), 64, 256)


@given(TOKENS, TOKENS)
def test_the_common_beginning_of_two_texts(a: list[int], b: list[int]) -> None:
    length = common_length(a, b)
    assert a[:length] == b[:length]
    assert length in (len(a), len(b)) or a[length] != b[length]


@given(st.lists(TOKENS, min_size=1, max_size=12), st.lists(TOKENS, max_size=3))
def test_the_chosen_beginning_is_one_of_the_oldest_row_and_leaves_it_a_token(
    contexts: list[list[int]], kept: list[list[int]]
) -> None:
    rows = [row(context, 1) for context in contexts]
    source, known, length = best_prefix(rows[0], rows, [Held(tokens) for tokens in kept])
    assert max(known, length) < len(contexts[0])
    assert length == 0 or length >= MIN_PREFIX or source is not None
    if known:
        assert source is not None and source.tokens[:known] == contexts[0][:known]


def test_the_examples_of_a_subject_are_its_beginning() -> None:
    examples = list(range(100, 400))
    rows = [row([*examples, number, number + 1, 7], 1, 1) for number in range(20)]
    assert best_prefix(rows[0], rows, []) == (None, 0, 300)
    held = Held(examples)
    assert best_prefix(rows[0], rows, [held]) == (held, 300, 300)
    assert len(together(rows[0], rows, 300, budget=3 * 8, max_rows=64, max_lines=64)) == 8


def test_a_longer_beginning_in_memory_serves_for_what_many_share() -> None:
    examples = list(range(100, 400))
    rows = [row([*examples, *range(number, number + 40)], 1) for number in range(0, 400, 40)]
    held = Held([*examples, *range(30)])
    assert best_prefix(rows[0], rows, [held]) == (held, 330, 300)
