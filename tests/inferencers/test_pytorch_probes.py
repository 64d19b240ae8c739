"""Which decoder a model gets, by name; and that a slower one is never taken without a word."""

from __future__ import annotations

import logging
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Started
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_decoders import SingleDecoder
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine
from multi_llm_comparator.inferencers.pytorch_probes import open_decoder
from multi_llm_comparator.inferencers.transformers_seam import CACHE_NAMES
from tests.support.tiny_checkpoint import make_checkpoint, make_word_tokenizer

CPU = torch.device("cpu")
IN_A_BATCH = ("llama", "qwen2", "mistral", "gemma", "gemma2", "gemma3_text")


def load(folder: Path, **options: Any) -> PyTorchEngine:
    return PyTorchEngine(str(folder), LoadOptions(n_ctx=256, use_gpu=False, **options))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", IN_A_BATCH)
def test_llama_qwen2_mistral_and_gemma_decode_in_a_batch(tmp_path: Path, architecture: str, dtype: torch.dtype) -> None:
    folder = make_checkpoint(tmp_path, architecture, dtype=dtype)
    info = load(folder, torch_dtype=str(dtype).removeprefix("torch.")).info
    assert (info["decoder"], info["notes"]) == ("batch", [])


@pytest.mark.parametrize(("architecture", "layers"), [("mistral", 2), ("gemma2", 1), ("gemma3_text", 2)])
def test_a_window_smaller_than_the_context_is_said_with_what_to_do(
    tmp_path: Path, architecture: str, layers: int
) -> None:
    engine = load(make_checkpoint(tmp_path, architecture, sliding_window=8))
    (note,) = engine.info["notes"]
    assert "One after another" in note
    assert f"{layers} of its layers look back only 8 tokens" in note
    assert "n_ctx=8" in note


def test_an_answer_says_what_its_model_lacks(tmp_path: Path) -> None:
    engine = load(make_checkpoint(tmp_path, "mistral", sliding_window=8, tokenizer=make_word_tokenizer()))
    engine.submit(GenerationRequest(messages=(Message("user", "t1 t2"),), config=ModelConfig(max_tokens=1)))
    started = next(event for event in engine.step() if isinstance(event, Started))
    assert set(engine.info["notes"]) <= set(started.notes)


def test_a_model_that_counts_positions_in_its_own_way_says_what_is_missing(tmp_path: Path) -> None:
    (note,) = load(make_checkpoint(tmp_path, "bloom")).info["notes"]
    assert "takes no position_ids" in note


def test_a_model_that_reads_prompts_in_one_piece_says_so(tmp_path: Path) -> None:
    notes = load(make_checkpoint(tmp_path, "mamba")).info["notes"]
    assert "One after another" in notes[0]
    assert "in one piece" in notes[1]


# What the installed transformers calls it; a checkpoint's own code may keep the older name.
CACHE_NAME = next(name for name in CACHE_NAMES if name in signature(LlamaForCausalLM.forward).parameters)


class Forgetful(LlamaForCausalLM):  # type: ignore[misc]
    """Code of a checkpoint's own that keeps nothing between two tokens."""

    def forward(self, input_ids: Any = None) -> Any:
        return super().forward(input_ids=input_ids, use_cache=False)


class Touchy(LlamaForCausalLM):  # type: ignore[misc]
    """Code of a checkpoint's own that fails when it is given several rows."""

    def forward(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        use_cache: Any = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> Any:
        if len(input_ids) > 1:
            raise KeyError("rope_of_row_2")
        return super().forward(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            **{CACHE_NAME: past_key_values},
            use_cache=use_cache,
            logits_to_keep=logits_to_keep,
            **kwargs,
        )


class Confused(Touchy):
    """Code of a checkpoint's own that computes something else where it is given a mask."""

    def forward(  # type: ignore[override]
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        position_ids: Any = None,
        past_key_values: Any = None,
        use_cache: Any = None,
    ) -> Any:
        return LlamaForCausalLM.forward(
            self,
            input_ids=input_ids,
            position_ids=position_ids if attention_mask is None else position_ids + 5,
            **{CACHE_NAME: past_key_values},
            use_cache=use_cache,
        )


def notes_of(kind: type[LlamaForCausalLM]) -> tuple[object, list[str]]:
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    model = kind(LlamaConfig(vocab_size=300, initializer_range=0.3, **sizes)).eval()
    return open_decoder(model, CPU, parallel=4, n_ctx=256, n_threads=1)


def test_an_error_while_trying_is_a_warning_with_its_words_and_no_silent_no(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        decoder, notes = notes_of(Touchy)
    assert isinstance(decoder, SingleDecoder)
    assert "KeyError" in notes[0] and "rope_of_row_2" in notes[0]
    assert any(record.exc_info and "batch" in record.getMessage() for record in caplog.records)


def test_values_that_differ_in_a_batch_are_told_with_how_much() -> None:
    decoder, notes = notes_of(Confused)
    assert isinstance(decoder, SingleDecoder)
    assert "of the largest one off" in notes[0]


def test_a_model_that_keeps_nothing_says_that_it_gets_slower() -> None:
    decoder, notes = notes_of(Forgetful)
    assert isinstance(decoder, SingleDecoder)
    assert "Slower with each token" in notes[0]
    assert "past_key_values" in notes[0]


def test_running_out_of_memory_while_trying_is_no_reason_for_a_slower_way() -> None:
    class Greedy(Touchy):
        def forward(  # type: ignore[override]
            self,
            input_ids: Any = None,
            attention_mask: Any = None,
            position_ids: Any = None,
            past_key_values: Any = None,
            **kwargs: Any,
        ) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(torch.OutOfMemoryError):
        notes_of(Greedy)
