"""A large model reads little of a prompt at a time."""

from __future__ import annotations

import pytest

from multi_llm_comparator.inferencers.prefill_chunk import tokens_per_step


@pytest.mark.parametrize(
    ("parameters", "tokens"), [(0, 512), (1_000_000, 512), (1_000_000_000, 150), (7_000_000_000, 21), (10**12, 16)]
)
def test_the_larger_the_model_the_less_is_read_in_one_step(parameters: int, tokens: int) -> None:
    assert tokens_per_step(parameters, most=512) == tokens
