"""Both engines leave out the same tokens: llama.cpp's own chain, beside the tensors of a PyTorch batch."""

from __future__ import annotations

import ctypes
from typing import Any

import multi_llm_comparator.inferencers.gguf_environment  # noqa: F401 - to be read before llama.cpp's libraries

# isort: split
import llama_cpp
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.inferencers.gguf_sampling import Sampler
from tests.inferencers.test_pytorch_sampling import CONFIGS, chances

VOCABULARY = 50


def kept_by_llama_cpp(logits: list[float], history: list[int], config: ModelConfig) -> dict[int, float]:
    """The tokens that its chain would draw from, and their chances."""
    sampler = Sampler(config, VOCABULARY)
    for token in history:
        sampler.remember(token)
    data = (llama_cpp.llama_token_data * VOCABULARY)()
    for token, logit in enumerate(logits):
        data[token].id, data[token].logit, data[token].p = token, logit, 0.0
    array: Any = llama_cpp.llama_token_data_array(
        ctypes.cast(data, ctypes.POINTER(llama_cpp.llama_token_data)), VOCABULARY, -1, False
    )
    llama_cpp.llama_sampler_apply(sampler.chain, ctypes.byref(array))
    found = {int(array.data[i].id): float(array.data[i].p) for i in range(array.size)}
    if config.is_greedy:
        found = {int(array.data[array.selected].id): 1.0}
    sampler.close()
    return found


@given(config=CONFIGS, history=st.lists(st.integers(0, VOCABULARY - 1), max_size=90), seed=st.integers(0, 2**31))
@settings(max_examples=150, deadline=None)
def test_llama_cpps_chain_draws_from_the_tokens_that_the_definition_names(
    config: ModelConfig, history: list[int], seed: int
) -> None:
    logits = (torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed)) * 3).tolist()
    expected = chances(logits, history, config)
    found = kept_by_llama_cpp(logits, history, config)
    # Where sums meet a bound to the last digit, float32 may keep a token more or less.
    assert len(found.keys() ^ expected.keys()) <= 1
    for token in found.keys() & expected.keys() if found.keys() == expected.keys() else ():
        assert found[token] == pytest.approx(expected[token], abs=2e-3)
