"""What is used of transformers' inside, by name: a release that changes one of these fails here, and says which."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Failed, Finished
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers import transformers_seam as seam
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_batch import BatchCache, BatchLayer
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_load import COMMON_MODELS
from tests.support.tiny_checkpoint import ARCHITECTURES, make_checkpoint, make_tokenizer, make_word_tokenizer

CPU = torch.device("cpu")
WITHOUT_POSITIONS = ("bloom", "mamba")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    @cache
    def build(architecture: str) -> Path:
        return make_checkpoint(tmp_path_factory.mktemp(architecture), architecture, tokenizer=make_word_tokenizer())

    return build


@pytest.fixture(scope="module")
def model_of(checkpoint: Callable[[str], Path]) -> Callable[[str], Any]:
    return cache(lambda architecture: AutoModelForCausalLM.from_pretrained(checkpoint(architecture)).eval())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_forward_pass_takes_its_cache_by_a_name_that_is_known(
    model_of: Callable[[str], Any], architecture: str
) -> None:
    forward = seam.Forward(model_of(architecture))
    assert forward.keeps, f"transformers {seam.VERSION} has another name for the cache of {architecture}"
    wanted = ["position_ids"] if architecture in WITHOUT_POSITIONS else []
    assert forward.unknown == wanted, f"transformers {seam.VERSION} renamed an argument of {architecture}"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_forward_pass_returns_the_cache_by_the_name_it_takes_and_goes_on_from_it(
    model_of: Callable[[str], Any], architecture: str
) -> None:
    model = model_of(architecture)
    forward, ids = seam.Forward(model), torch.tensor([[5, 6, 7, 8]])
    _, state = forward(ids[:, :3])
    logits, state = forward(ids[:, 3:], state)
    assert state is not None
    assert torch.allclose(logits, model(input_ids=ids).logits[:, -1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_deprecated_name_is_used(checkpoint: Callable[[str], Path], architecture: str) -> None:
    engine = PyTorchEngine(str(checkpoint(architecture)), LoadOptions(n_ctx=64, use_gpu=False))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for reproducible in (False, True):
            config = ModelConfig(temperature=0, max_tokens=3, n_ctx=64, reproducible=reproducible)
            engine.submit(GenerationRequest(messages=(Message("user", "t1 t2 t3"),), config=config))
        events = []
        while engine.is_busy:
            events += engine.step()
    failed = [event.message for event in events if isinstance(event, Failed)]
    assert not failed, f"transformers {seam.VERSION} warns: {failed[0]}"
    assert len([event for event in events if isinstance(event, Finished)]) == 2


def test_only_the_last_logits_are_computed_of_a_prompt(model_of: Callable[[str], Any]) -> None:
    forward = seam.Forward(model_of("llama"))
    assert forward._can_keep
    ids = torch.tensor([[5, 6, 7, 8]])
    assert forward.lines(ids, None, 2)[0].shape[1] == 2
    torch.testing.assert_close(forward.lines(ids, None, 2)[0][:, -1], forward(ids)[0])


def test_a_plain_cache_holds_keys_and_values_by_layer(model_of: Callable[[str], Any]) -> None:
    cache_ = seam.new_cache()
    seam.Forward(model_of("llama"))(torch.tensor([[1, 2, 3]]), cache_)
    state = seam.state_of(cache_)
    assert [tuple(tensor.shape) for pair in state for tensor in pair] == [(1, 2, 3, 16)] * 4
    again = seam.state_of(seam.new_cache(state))
    assert all(
        torch.equal(a, b) for one, other in zip(state, again, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_the_batch_cache_has_all_that_a_cache_of_transformers_must_have() -> None:
    assert seam.CacheLayerMixin in BatchLayer.__mro__
    assert not BatchLayer.__abstractmethods__, "transformers asks more of a cache's layers"
    assert isinstance(BatchCache(2, CPU).cache, seam.Cache)


@pytest.mark.parametrize(
    ("architecture", "n_ctx", "kinds"),
    [
        ("llama", 256, {"DynamicLayer"}),
        ("gemma2", 256, {"DynamicLayer", "DynamicSlidingWindowLayer"}),
    ],
)
def test_the_kinds_of_cache_have_their_names(
    model_of: Callable[[str], Any], architecture: str, n_ctx: int, kinds: set[str]
) -> None:
    assert {kind.__name__ for kind in seam.layer_kinds(model_of(architecture))} == kinds
    assert seam.why_not_plain(model_of(architecture), n_ctx) is None


def test_a_window_smaller_than_the_context_is_told_with_its_size(model_of: Callable[[str], Any]) -> None:
    assert "512" in (seam.why_not_plain(model_of("gemma2"), 2048) or "")


def test_the_kind_of_attention_is_known(model_of: Callable[[str], Any]) -> None:
    assert seam.attention_of(model_of("llama")) == "sdpa"
    assert not seam.adds_mask(model_of("llama"))
    model = AutoModelForCausalLM.from_config(model_of("llama").config, attn_implementation="eager")
    assert seam.adds_mask(model)


def test_the_tables_of_models_are_where_they_were() -> None:
    known, causal = seam.causal_lm_types()
    assert {"llama", "qwen2", "mistral", "gemma3_text", "bert"} <= known
    assert causal["llama"] == "LlamaForCausalLM"
    assert "vit" not in causal


def test_what_the_common_models_need_can_be_imported_ahead() -> None:
    seam.import_kinds(COMMON_MODELS)
    assert {f"transformers.models.{kind}.modeling_{kind}" for kind in COMMON_MODELS} <= set(sys.modules)


def test_tokenizers_of_the_library_are_told_from_older_ones() -> None:
    assert seam.is_fast_tokenizer(make_tokenizer())
    assert not seam.is_fast_tokenizer(object())
    assert type(make_tokenizer()).__name__ in seam.GENERIC_TOKENIZERS
