"""Requests to a PyTorch engine, what it says to them, and what the model itself says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.pytorch_decoders import SplitDecoder
from multi_llm_comparator.inferencers.pytorch_engine import PyTorchEngine

SHORT, MIDDLE, LONG = (" ".join(f"t{(7 * i + n) % 300}" for i in range(n)) for n in (3, 20, 60))


def ask(prompt: str, **parameters: Any) -> GenerationRequest:
    parameters = {"temperature": 0, "repeat_penalty": 1.0, "max_tokens": 12, "n_ctx": 256} | parameters
    return GenerationRequest(messages=(Message("user", prompt),), config=ModelConfig(**parameters))


def of_kind(events: Iterable[Event], kind: type[Event]) -> list[Any]:
    return [e for e in events if isinstance(e, kind)]


def kept_by(engine: PyTorchEngine) -> int:
    """Tokens of past conversations that can be used again."""
    assert isinstance(engine._decoder, SplitDecoder)
    return engine._decoder.shared._kept.tokens


def reference(folder: Path, request: GenerationRequest) -> str:
    """What ``generate`` says to this prompt alone, without any batch of ours."""
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    ids = tokenizer(request.messages[-1].content, return_tensors="pt").input_ids
    out = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        pad_token_id=0,
        max_new_tokens=request.config.max_tokens,
    )
    return f" {tokenizer.decode(out[0, ids.shape[1] :])}"
