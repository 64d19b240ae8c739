"""Tokens are drawn as llama.cpp draws them: penalties, top-k, top-p, temperature, in this order."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.pytorch_sampling import BatchSampler, RowSampler, check_token

CPU = torch.device("cpu")
CONFIGS = st.builds(
    ModelConfig,
    temperature=st.sampled_from([0, 0.1, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 40, 1000]),
    top_p=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    repeat_penalty=st.sampled_from([1.0, 1.1, 2.0, 0.5]),
    presence_penalty=st.sampled_from([0.0, 1.5, -1.0]),
    frequency_penalty=st.sampled_from([0.0, 0.0, 0.7, -0.5]),
    typical_p=st.sampled_from([1.0, 1.0, 0.9, 0.3, 0.0]),
    min_p=st.sampled_from([0.0, 0.0, 0.05, 0.5, 1.0]),
)


def chances(logits: list[float], history: list[int], config: ModelConfig) -> dict[int, float]:
    """The same thing written plainly: the tokens that may be drawn, and how likely each is."""
    scores = dict(enumerate(logits))
    for token in set(history[-64:]):
        score = scores[token]
        scores[token] = score / config.repeat_penalty if score > 0 else score * config.repeat_penalty
        scores[token] -= config.presence_penalty + config.frequency_penalty * history[-64:].count(token)
    ranked = sorted(scores, key=lambda token: -scores[token])
    if config.is_greedy:
        return {ranked[0]: 1.0}
    ranked = typical(scores, ranked[: config.top_k or len(ranked)], config.typical_p)
    shares = softmax([scores[token] for token in ranked])
    kept, total = [], 0.0
    for token, share in zip(ranked, shares, strict=True):
        kept.append(token)
        total += share
        if total >= config.top_p and config.top_p < 1:
            break
    least = scores[kept[0]] + math.log(config.min_p) if config.min_p else -math.inf
    kept = [token for token in kept if scores[token] >= least]
    return dict(zip(kept, softmax([scores[token] / config.temperature for token in kept]), strict=True))


def typical(scores: dict[int, float], ranked: list[int], typical_p: float) -> list[int]:
    """Locally typical sampling: those whose surprise is nearest to the entropy, until their share exceeds it."""
    if typical_p >= 1:
        return ranked
    shares = dict(zip(ranked, softmax([scores[token] for token in ranked]), strict=True))
    entropy = -sum(share * math.log(share) for share in shares.values() if share > 0)
    kept, total = set(), 0.0
    for token in sorted(ranked, key=lambda token: abs(-math.log(max(shares[token], 1e-300)) - entropy)):
        kept.add(token)
        total += shares[token]
        if total > typical_p:
            break
    return [token for token in ranked if token in kept]


def softmax(scores: list[float]) -> list[float]:
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def pick(configs: list[ModelConfig], histories: list[list[int]], logits: torch.Tensor, seed: int) -> list[int | None]:
    rows = [RowSampler(config, seed) for config in configs]
    return BatchSampler(rows, histories, CPU).pick(logits.clone())


@given(configs=st.lists(CONFIGS, min_size=1, max_size=4), data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_only_tokens_that_the_parameters_allow_are_drawn(
    configs: list[ModelConfig], data: st.DataObject, seed: int
) -> None:
    logits = torch.randn(len(configs), 50, generator=torch.Generator().manual_seed(seed)) * 3
    histories = [data.draw(st.lists(st.integers(0, 49), max_size=90)) for _ in configs]
    tokens = pick(configs, histories, logits, seed)
    for row, token in enumerate(tokens):
        assert token in chances(logits[row].tolist(), histories[row], configs[row])


@given(config=CONFIGS, others=st.lists(CONFIGS, max_size=3), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_rows_choice_does_not_depend_on_the_other_rows(
    config: ModelConfig, others: list[ModelConfig], seed: int
) -> None:
    logits = torch.randn(1 + len(others), 50, generator=torch.Generator().manual_seed(seed))
    histories = [[1, 2, 3]] * (1 + len(others))
    assert pick([config, *others], histories, logits, seed)[0] == pick([config], histories[:1], logits[:1], seed)[0]


def test_tokens_are_drawn_as_often_as_they_should() -> None:
    config = ModelConfig(temperature=0.8, top_k=5, top_p=0.9, repeat_penalty=1.2)
    logits = torch.tensor([[2.0, 1.5, 1.0, 0.5, 0.0, -1.0]])
    expected = chances(logits[0].tolist(), [0], config)
    sampler, row = None, RowSampler(config, 1)
    counts: Counter[int] = Counter()
    for _ in range(3000):
        sampler = BatchSampler([row], [[0]], CPU)
        counts.update(token for token in sampler.pick(logits.clone()) if token is not None)
    assert set(counts) == set(expected)
    for token, chance in expected.items():
        assert counts[token] / 3000 == pytest.approx(chance, abs=0.04)


def test_a_token_leaves_the_penalty_window_after_64_others() -> None:
    config = ModelConfig(temperature=0, repeat_penalty=2.0)
    sampler = BatchSampler([RowSampler(config, 0)], [[5]], CPU)
    logits = torch.zeros(1, 200)
    logits[0, 5], logits[0, 6:] = 10.0, torch.linspace(9.0, 8.0, 194)
    picked = [sampler.pick(logits.clone())[0] for _ in range(70)]
    assert picked.index(5) == 64


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_values_that_are_no_numbers_are_told_apart_row_by_row(temperature: float) -> None:
    logits = torch.randn(2, 20)
    logits[1] = float("nan")
    tokens = pick([ModelConfig(temperature=temperature)] * 2, [[1], [1]], logits, 3)
    assert tokens[0] is not None
    assert tokens[1] is None
    with pytest.raises(InferenceError, match="float32"):
        check_token(tokens[1])
