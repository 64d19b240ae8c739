"""Biases and DRY, before the samplers see the logits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.inferencers.logit_edits import DRY_ALLOWED_LENGTH, DRY_BASE, LogitEdits, Repetitions

BREAK = 9


def written_plainly(tokens: list[int], multiplier: float) -> dict[int, float]:
    """DRY by its definition: for each earlier place, how long the answer's end equals what ends there."""
    longest: dict[int, int] = {}
    for place in range(len(tokens) - 1):
        length = 0
        while length <= place and tokens[place - length] == tokens[-1 - length] != BREAK:
            length += 1
        if length >= DRY_ALLOWED_LENGTH:
            after = tokens[place + 1]
            longest[after] = max(longest.get(after, 0), min(length, 50))
    return {token: multiplier * DRY_BASE ** (length - DRY_ALLOWED_LENGTH) for token, length in longest.items()}


@given(tokens=st.lists(st.sampled_from([1, 2, 3, BREAK]), max_size=40))
def test_repeating_more_costs_what_the_definition_says(tokens: list[int]) -> None:
    repetitions = Repetitions(lambda token: token == BREAK)
    for token in tokens:
        repetitions.take(token)
    assert repetitions.costs(0.8) == written_plainly(tokens, 0.8)


def test_a_bias_and_a_repetition_of_one_token_add_up() -> None:
    edits = LogitEdits(ModelConfig(logit_bias={3: 2.0, 4: -100.0}, dry_multiplier=1.0), 10, lambda token: "x")
    for token in (1, 2, 3, 1, 2):
        edits.take(token)
    assert edits.added() == {3: 1.0, 4: -100.0}


def test_nothing_is_changed_where_nothing_is_asked() -> None:
    assert LogitEdits(ModelConfig(), 10, lambda token: "x").are_none


def test_a_bias_for_a_token_of_another_tokenizer_is_refused() -> None:
    with pytest.raises(InvalidParameterError, match="names token 10"):
        LogitEdits(ModelConfig(logit_bias={10: 1.0}), 10, lambda token: "x")
