"""Both engines leave out the same tokens: llama.cpp's own chain beside the arrays of a GGUF answer."""

from __future__ import annotations

import ctypes
from typing import Any

import multi_llm_comparator.inferencers.gguf_environment  # noqa: F401 - to be read before llama.cpp's libraries

# isort: split
import llama_cpp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.inferencers.array_sampling import PENALTY_WINDOW, ArraySampler
from tests.inferencers.test_pytorch_sampling import CONFIGS, chances

# One that is looked through whole, and one of which only the columns with the largest are.
VOCABULARIES = (50, 4000)
HISTORIES = st.lists(st.integers(0, VOCABULARIES[0] - 1), max_size=90)


def kept_by_llama_cpp(logits: list[float], history: list[int], config: ModelConfig) -> dict[int, float]:
    """The tokens that its chain would draw from, and their chances."""
    chain = llama_cpp_chain(config, len(logits))
    for token in history:
        llama_cpp.llama_sampler_accept(chain, token)
    data = (llama_cpp.llama_token_data * len(logits))()
    for token, logit in enumerate(logits):
        data[token].id, data[token].logit, data[token].p = token, logit, 0.0
    array: Any = llama_cpp.llama_token_data_array(
        ctypes.cast(data, ctypes.POINTER(llama_cpp.llama_token_data)), len(logits), -1, False
    )
    llama_cpp.llama_sampler_apply(chain, ctypes.byref(array))
    found = {int(array.data[i].id): float(array.data[i].p) for i in range(array.size)}
    if config.is_greedy:
        found = {int(array.data[array.selected].id): 1.0}
    llama_cpp.llama_sampler_free(chain)
    return found


def llama_cpp_chain(config: ModelConfig, n_vocab: int) -> Any:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    penalties = (config.repeat_penalty, config.frequency_penalty, config.presence_penalty)
    samplers = [llama_cpp.llama_sampler_init_penalties(n_vocab, PENALTY_WINDOW, *penalties)]
    if config.is_greedy:
        samplers.append(llama_cpp.llama_sampler_init_greedy())
    else:
        samplers += [
            llama_cpp.llama_sampler_init_top_k(config.top_k),
            llama_cpp.llama_sampler_init_typical(config.typical_p, 1),
            llama_cpp.llama_sampler_init_top_p(config.top_p, 1),
            llama_cpp.llama_sampler_init_min_p(config.min_p, 1),
            llama_cpp.llama_sampler_init_temp(config.temperature),
            llama_cpp.llama_sampler_init_dist(1),
        ]
    for sampler in samplers:
        llama_cpp.llama_sampler_chain_add(chain, sampler)
    return chain


def kept_by_us(logits: list[float], history: list[int], config: ModelConfig) -> dict[int, float]:
    """The tokens that a GGUF answer would draw from, and their chances."""
    sampler = sampler_after(history, config)
    row = np.array(logits, np.float32)
    if config.is_greedy:
        return {sampler.pick(row): 1.0}
    ids, weights = sampler.chances(row)
    shares = weights / weights.sum()
    return {int(id): float(share) for id, share in zip(ids, shares, strict=True)}


def sampler_after(history: list[int], config: ModelConfig, seed: int = 1) -> ArraySampler:
    sampler = ArraySampler(config, seed)
    for token in history:
        sampler.remember(token)
    return sampler


def some_logits(seed: int, vocabulary: int) -> list[float]:
    logits = np.random.default_rng(seed).standard_normal(vocabulary) * 3
    return [float(logit) for logit in logits.astype(np.float32)]


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
@given(config=CONFIGS, history=HISTORIES, seed=st.integers(0, 2**31))
@settings(max_examples=75, deadline=None)
def test_a_gguf_answer_draws_from_the_tokens_that_llama_cpps_chain_and_the_definition_name(
    vocabulary: int, config: ModelConfig, history: list[int], seed: int
) -> None:
    logits = some_logits(seed, vocabulary)
    found = kept_by_us(logits, history, config)
    for expected in (chances(logits, history, config), kept_by_llama_cpp(logits, history, config)):
        # Where sums meet a bound to the last digit, float32 may keep a token more or less, of many several.
        assert len(found.keys() ^ expected.keys()) <= vocabulary // VOCABULARIES[0]
        for token in found.keys() & expected.keys() if found.keys() == expected.keys() else ():
            assert found[token] == pytest.approx(expected[token], abs=2e-3)


@given(
    config=CONFIGS, allowed=st.sets(st.integers(0, VOCABULARIES[1] - 1), min_size=1, max_size=60), seed=st.integers()
)
@settings(max_examples=100, deadline=None)
def test_what_a_grammar_forbids_is_never_drawn(config: ModelConfig, allowed: set[int], seed: int) -> None:
    logits = np.full(VOCABULARIES[1], -np.inf, np.float32)
    logits[list(allowed)] = some_logits(abs(seed) % 2**31, len(allowed))
    assert sampler_after([], config, seed).pick(logits) in allowed


@given(config=CONFIGS, seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_one_seed_draws_the_same_tokens(config: ModelConfig, seed: int) -> None:
    rows = [np.array(some_logits(number, 200), np.float32) for number in range(20)]
    drawn = [[sampler.pick(row.copy()) for row in rows] for sampler in (ArraySampler(config, seed) for _ in range(2))]
    assert drawn[0] == drawn[1]


def test_tokens_come_as_often_as_their_chances_say() -> None:
    config = ModelConfig(temperature=0.8, top_k=5, top_p=0.95, repeat_penalty=1.0)
    logits = some_logits(3, 200)
    expected = chances(logits, [], config)
    sampler, count = ArraySampler(config, 7), 4000
    drawn = [sampler.pick(np.array(logits, np.float32)) for _ in range(count)]
    for token, share in expected.items():
        assert drawn.count(token) / count == pytest.approx(share, abs=4 * (share * (1 - share) / count) ** 0.5)


def test_a_flat_choice_is_looked_through_whole() -> None:
    config = ModelConfig(temperature=1.0, top_k=0, top_p=0.9, repeat_penalty=1.0)
    ids, _ = ArraySampler(config, 1).chances(np.zeros(1000, np.float32))
    assert len(ids) == pytest.approx(900, abs=1)
