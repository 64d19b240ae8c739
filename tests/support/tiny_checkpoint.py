"""Checkpoints of a few thousand random weights, with a byte-level tokenizer and a chat template, built in a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast
from transformers.utils import logging

logging.disable_progress_bar()

CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ("<|pad|>", "<|im_start|>", "<|im_end|>")
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "What is three plus four? It is seven.",
    "你好，世界。今天天气很好。",
    "Emoji 🙂🚀 are characters too.",
)
_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
}
# Logits of random weights lie so close that rounding could change the greedy token: spread them more than is usual.
_SPREAD = {"initializer_range": 0.3}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": _SMALL,
    "qwen2": _SMALL,
    "qwen3": _SMALL,
    "mistral": {**_SMALL, "sliding_window": None},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512},
    "gemma": _SMALL,
    "gemma2": {**_SMALL, "sliding_window": 512},
    "gemma3_text": {**_SMALL, "sliding_window": 512},
    "phi3": {**_SMALL, "sliding_window": None},
    "bloom": {"hidden_size": 64, "n_layer": 2, "n_head": 4},
    "mamba": {"hidden_size": 64, "num_hidden_layers": 2, "state_size": 8},
}


def make_tokenizer(chat_template: str | None = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """A byte-level BPE of some 400 tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(SENTENCES * 4, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<|pad|>", eos_token="<|im_end|>")
    tokenizer.chat_template = chat_template
    return tokenizer


def make_word_tokenizer() -> PreTrainedTokenizerFast:
    """A word per token (t0, t1, ...) and no chat template: the text of an answer tells its tokens exactly."""
    backend = Tokenizer(models.WordLevel({f"t{i}": i for i in range(300)}, unk_token="t0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def make_checkpoint(
    folder: Path,
    architecture: str = "llama",
    *,
    dtype: torch.dtype = torch.float32,
    tokenizer: PreTrainedTokenizerFast | None = None,
    **changes: Any,
) -> Path:
    """Write a checkpoint and return its folder. No token ends an answer: it gets as long as was asked for."""
    tokenizer = tokenizer or make_tokenizer()
    tokenizer.eos_token = None
    ids = {"bos_token_id": None, "pad_token_id": 0, "eos_token_id": None}
    settings = {**ARCHITECTURES[architecture], **_SPREAD, "vocab_size": len(tokenizer), **ids, **changes}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(architecture, **settings)).to(dtype)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def change_config(folder: Path, **changes: Any) -> None:
    """Edit the checkpoint's config.json; None removes an entry."""
    file = folder / "config.json"
    config = {**json.loads(file.read_text(encoding="utf-8")), **changes}
    kept = {name: value for name, value in config.items() if value is not None}
    file.write_text(json.dumps(kept), encoding="utf-8")
