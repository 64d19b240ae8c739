"""What is computed together learns the same as what is computed alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, MambaConfig, MistralConfig

from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
from multi_llm_comparator.training.chat_rows import IGNORED, Row
from multi_llm_comparator.training.lora_linear import fuse_adapters
from multi_llm_comparator.training.packs import packs_of, planned_steps
from multi_llm_comparator.training.row_attention import _FilledRows
from multi_llm_comparator.training.row_losses import RowLosses
from multi_llm_comparator.training.tuning_steps import filled_up, step_count
from tests.training.tunings import DEMO

SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}


def some_rows(vocabulary: int, lengths: Sequence[int] = (17, 5, 40, 9)) -> list[Row]:
    drawn = np.random.default_rng(3)
    rows = []
    for length in lengths:
        ids = drawn.integers(0, vocabulary, length).astype(np.int32)
        labels = ids.copy()
        labels[: length // 2] = IGNORED
        rows.append(Row(ids, labels))
    return rows


def plain_loss(model: Any, row: Row) -> torch.Tensor:
    ids = torch.tensor(row.input_ids, dtype=torch.long)[None]
    logits = model(input_ids=ids, use_cache=False).logits[0, :-1].float()
    labels = torch.tensor(row.labels[1:], dtype=torch.long)
    return torch.nn.functional.cross_entropy(logits, labels, reduction="sum", ignore_index=IGNORED)


def made(config: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def models() -> dict[str, Any]:
    return {
        "demo": load_checkpoint(str(DEMO), LoadOptions()).model,
        "llama": made(LlamaConfig(num_key_value_heads=2, **SIZES)),
        # A window shorter than the rows.
        "mistral": made(MistralConfig(num_key_value_heads=2, sliding_window=8, **SIZES)),
    }


@pytest.fixture(scope="module")
def tried() -> dict[str, Any]:
    return models()


@pytest.mark.parametrize("name", ["demo", "llama", "mistral"])
def test_rows_in_a_pack_do_not_see_each_other(tried: dict[str, Any], name: str) -> None:
    model = tried[name]
    rows = some_rows(model.config.vocab_size)
    losses = RowLosses(model)
    assert losses.packs, losses.why_not
    wanted = torch.stack([plain_loss(model, row) for row in rows])
    losses.begin()
    try:
        found = losses(rows)
        alone = torch.cat([losses([row]) for row in rows])
        # Another neighbour changes nothing.
        other = losses([rows[2], *rows[:2]])
    finally:
        losses.end()
    for same in (found, alone):
        torch.testing.assert_close(same, wanted, atol=1e-3, rtol=1e-5)
    torch.testing.assert_close(other[1:], found[:2], atol=1e-4, rtol=1e-6)


@pytest.mark.parametrize("name", ["demo", "llama"])
def test_logits_of_a_packed_row_are_those_of_the_row_alone(tried: dict[str, Any], name: str) -> None:
    model = tried[name]
    rows = some_rows(model.config.vocab_size)
    losses = RowLosses(model)
    seen: list[torch.Tensor] = []
    hook = model.base_model.register_forward_hook(lambda m, i, out: seen.append(out.last_hidden_state))
    losses.begin()
    losses(rows)
    losses.end()
    hook.remove()
    packed = model.get_output_embeddings()(seen[0])[0]
    begin = 0
    for row in rows:
        ids = torch.tensor(row.input_ids, dtype=torch.long)[None]
        alone = model(input_ids=ids).logits[0]
        torch.testing.assert_close(packed[begin : begin + len(row.input_ids)], alone, atol=1e-4, rtol=0)
        begin += len(row.input_ids)


@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_filled_up_in_bfloat16_rows_of_any_length_learn_what_they_learn_alone(name: str) -> None:
    config = {"llama": LlamaConfig, "mistral": MistralConfig}[name](num_key_value_heads=2, **SIZES)
    exact = made(config)
    coarse = made(config).to(torch.bfloat16)
    # The weights of both are the same numbers.
    exact.load_state_dict(coarse.state_dict())
    for model in (exact, coarse):
        model.lm_head.requires_grad_(False)  # as it always is in a tuning
    rows = some_rows(100, (17, 300, 5, 40, 129, 600, 9, 33))
    losses = RowLosses(coarse)
    assert losses.packs, losses.why_not
    losses.begin()
    try:
        found = losses(rows)
        found.sum().backward()  # type: ignore[no-untyped-call]
    finally:
        losses.end()
    wanted = torch.stack([plain_loss(exact, row) for row in rows])
    wanted.sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, wanted, atol=0.1, rtol=2e-3)
    one, other = gradients(coarse), gradients(exact)
    assert one.keys() == other.keys()
    for name, gradient in other.items():
        # The embedding's too: what fills up gives it none.
        assert (one[name].float() - gradient).norm() <= 0.03 * gradient.norm() + 1e-6, name


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 700), min_size=1, max_size=4), st.sampled_from([(4, 4), (6, 2)]), st.integers(0, 9))
def test_attention_by_filled_rows_has_the_gradients_of_torchs_own(
    lengths: list[int], heads: tuple[int, int], seed: int
) -> None:
    torch.manual_seed(seed)
    tokens, ends = sum(lengths), [0, *np.cumsum(lengths).tolist()]
    # Some models' values are narrower than their keys.
    shapes = ((heads[0], 8), (heads[1], 8), (heads[1], 6))
    usual = [torch.randn(1, count, tokens, width, requires_grad=True) for count, width in shapes]
    filled = [x.detach().clone().requires_grad_() for x in usual]
    pieces = []
    for begin, end in pairwise(ends):
        q, k, v = (x[:, :, begin:end] for x in usual)
        pieces.append(torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True))
    wanted = torch.cat(pieces, 2).transpose(1, 2)
    found = _FilledRows.apply(*filled, list(pairwise(ends)), 8**-0.5)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    slope = torch.randn_like(wanted)
    wanted.backward(slope)  # type: ignore[no-untyped-call]
    found.backward(slope)
    for one, other in zip(filled, usual, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-4)


@given(st.integers(1, 5000))
def test_few_lengths_are_filled_up_to(tokens: int) -> None:
    assert tokens <= filled_up(tokens) < tokens + 64 and filled_up(filled_up(tokens)) == filled_up(tokens)


def test_a_model_that_lets_rows_see_each_other_is_computed_a_row_at_a_time() -> None:
    model = made(MambaConfig(vocab_size=100, hidden_size=32, num_hidden_layers=2, state_size=4))
    rows = some_rows(100)
    losses = RowLosses(model)
    assert not losses.packs and "one at a time" in losses.why_not
    torch.testing.assert_close(
        losses(rows), torch.stack([plain_loss(model, row) for row in rows]), atol=1e-3, rtol=1e-5
    )


def gradients(model: Any) -> dict[str, torch.Tensor]:
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_fused_adapter_has_the_gradients_of_pefts_own(dropout: float) -> None:
    def adapted() -> Any:
        model = made(LlamaConfig(num_key_value_heads=2, **SIZES))
        config = LoraConfig(r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear")
        model = get_peft_model(model.requires_grad_(False), config)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.1)
        return model.train() if dropout == 0 else model.eval()

    torch.manual_seed(1)
    ours, theirs = adapted(), adapted()
    theirs.load_state_dict(ours.state_dict())
    assert fuse_adapters(ours) == 14
    row = some_rows(100)[2]
    for model in (ours, theirs):
        plain_loss(model, row).backward()  # type: ignore[no-untyped-call]
    one, other = gradients(ours), gradients(theirs)
    assert one.keys() == other.keys()
    for name, gradient in other.items():
        torch.testing.assert_close(one[name], gradient, atol=1e-4, rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=40),
    st.floats(0.3, 3.0),
    st.integers(1, 9),
    st.sampled_from([0, 64, 256]),
    st.integers(0, 5),
)
def test_every_example_is_seen_once_an_epoch_and_steps_are_what_they_are_without_packing(
    lengths: list[int], epochs: float, in_step: int, max_tokens: int, seed: int
) -> None:
    steps = planned_steps(lengths, epochs=epochs, in_step=in_step, max_tokens=max_tokens, seed=seed)
    alone = planned_steps(lengths, epochs=epochs, in_step=in_step, max_tokens=0, seed=seed)
    assert [sorted(step.examples) for step in steps] == [sorted(step.examples) for step in alone]
    # Estimates and the page count them so before there is a plan.
    assert len(steps) == step_count(len(lengths), in_step, epochs)
    seen = [number for step in steps for number in step.examples]
    if epochs >= 1:
        assert sorted(seen[: len(lengths)]) == list(range(len(lengths)))
    if max_tokens:
        for pack in (pack for step in steps for pack in step.packs):
            assert len(pack) == 1 or sum(lengths[number] for number in pack) <= max_tokens


def test_for_measuring_everything_is_packed_once() -> None:
    packs = packs_of([30, 30, 30, 200], 64)
    assert sorted(number for pack in packs for number in pack) == [0, 1, 2, 3]
    assert len(packs) == 3
    assert packs_of([5, 5], 0) == [(0,), (1,)] and packs_of([], 64) == []
