"""A decode step of our own gives what the model's forward pass gives, in every kind of model that it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from multi_llm_comparator.inferencers.pytorch_decoders import BatchDecoder, Row, SplitDecoder
from multi_llm_comparator.inferencers.pytorch_llama import LlamaStep, why_no_step
from multi_llm_comparator.inferencers.pytorch_probes import open_decoder
from multi_llm_comparator.inferencers.transformers_seam import new_cache
from tests.support.tiny_checkpoint import make_checkpoint

CPU = torch.device("cpu")
KINDS = ("llama", "mistral", "qwen2", "qwen3")
PROMPTS = ([3, 9, 4, 12, 7, 1, 22, 5, 8], [11, 2], [6, 6, 13, 40, 2, 9, 30])


def model_of(folder: Path, kind: str, dtype: torch.dtype = torch.float32, **config: Any) -> Any:
    path = make_checkpoint(folder, kind, dtype=dtype, **config)
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval().requires_grad_(False)


def decode(decoder: BatchDecoder, steps: int) -> list[torch.Tensor]:
    """The logits of each step of all prompts together, one joining after the other; the next token is always 5."""
    rows = [Row(list(prompt)) for prompt in PROMPTS]
    for row in rows:
        row.state = new_cache()
        decoder.read(row)
        row.tokens.append(5)
        decoder.join(row)
    found = []
    for _ in range(steps):
        found.append(decoder.decode())
        for row in rows:
            row.tokens.append(5)
    decoder.clear()
    return found


@pytest.mark.parametrize("packs", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_steps_of_rows_of_different_lengths_are_those_of_the_model(tmp_path: Path, kind: str, packs: bool) -> None:
    model = model_of(tmp_path, kind)
    ids = [torch.tensor([[*prompt, 5, 5, 5]]) for prompt in PROMPTS]
    expected = [torch.stack([model(one).logits[0, n - 3] for one in ids]) for n in range(3)]
    if packs:
        decoder, notes = open_decoder(model, CPU, parallel=4, n_ctx=64, n_threads=1)
        assert notes == []
        assert isinstance(decoder, SplitDecoder)
        batch = decoder.shared
        assert isinstance(batch.own_step, LlamaStep)
    else:
        batch = BatchDecoder(model, CPU, 4, 64)
        batch.own_step = LlamaStep(model, 64)
    for step, wanted in zip(decode(batch, 3), expected, strict=True):
        assert torch.allclose(step, wanted, atol=1e-4 * float(wanted.abs().max()) + 1e-6)


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_in_bfloat16_the_step_differs_no_more_than_rounding_does(tmp_path: Path, kind: str) -> None:
    model = model_of(tmp_path, kind, torch.bfloat16)
    theirs, ours = BatchDecoder(model, CPU, 4, 64), BatchDecoder(model, CPU, 4, 64)
    expected = decode(theirs, 3)
    ours.own_step = LlamaStep(model, 64)
    for step, wanted in zip(decode(ours, 3), expected, strict=True):
        assert float((step - wanted).abs().max()) <= 0.05 * float(wanted.abs().max())


@torch.inference_mode()
def test_joined_weights_are_held_once_and_the_model_still_computes_with_them(tmp_path: Path) -> None:
    model = model_of(tmp_path, "qwen2")
    ids = torch.tensor([list(PROMPTS[0])])
    before, parameters = model(ids).logits, sum(weight.numel() for weight in model.parameters())
    LlamaStep(model, 64)
    assert torch.equal(model(ids).logits, before)
    assert sum(weight.numel() for weight in model.parameters()) == parameters
    attention = model.model.layers[0].self_attn
    storages = {part.weight.untyped_storage().data_ptr() for part in (attention.q_proj, attention.v_proj)}
    assert len(storages) == 1


def test_other_models_are_left_to_transformers_with_the_reason(tmp_path: Path) -> None:
    assert "none of" in str(why_no_step(model_of(tmp_path / "a", "gemma")))
    assert "gelu" in str(why_no_step(model_of(tmp_path / "b", "llama", hidden_act="gelu")))
    dynamic = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    assert "dynamic" in str(why_no_step(model_of(tmp_path / "c", "llama", rope_parameters=dynamic)))
