"""Whether a checkpoint and a GGUF file are the same model: same tokens, same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.bare_llama import BareLlama

NASTY_TEXTS = (
    "Hello world",
    " leading and trailing  ",
    "tabs\tand\n\n\nnewlines\r\n  mixed \n ",
    "DON'T they'Ll we've I'm it's 'quoted'",
    "0 12 345 6789 01234567 3.14 1,000 ½ ² ١٢٣ １２３",
    "你好，世界！今天天气很好。中文English混合123",
    "🙂🎉👩‍👩‍👧‍👦🇨🇳 emoji🙂inside",
    "Привет, мир! naïve café Ünïcödé 日本語 한국어 हिन्दी",
    "<tags> </tags> {{braces}} $x_1$ a_b-c/d\\e",
    "...!!!???   ---\n***\n",
    "\u00a0nbsp \u2003em\u200bzero\ufeff",
)


def tokens_agree(checkpoint: Path, exported: Path, specials: tuple[str, ...]) -> None:
    reference = AutoTokenizer.from_pretrained(checkpoint)
    texts = [*NASTY_TEXTS, *(f"{s}user\nhi {s}there{s}{s}" for s in specials)]
    with BareLlama(exported) as model:
        for text in texts:
            wanted = reference.encode(text, add_special_tokens=True)
            assert model.tokenize(text, add_special=True) == wanted, text


def logits_distance(checkpoint: Path, exported: Path, *, length: int = 48) -> float:
    """Root mean square of the difference between the two, relative to the spread of the reference."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32, attn_implementation="eager").eval()
    ids = np.random.default_rng(3).integers(0, 256, length).tolist()
    with torch.no_grad():
        wanted = model(torch.tensor([ids])).logits[0].numpy()
    with BareLlama(exported, exact=True) as bare:
        got = bare.logits(ids)
    return float(np.sqrt(np.mean((got - wanted) ** 2)) / wanted.std())


# Model types, and settings that a conversion must carry over.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama tied": ("llama", {"tie_word_embeddings": True}),
    "llama with biases": ("llama", {"attention_bias": True, "mlp_bias": True}),
    "llama with wide heads": ("llama", {"head_dim": 32}),
    "llama with one key head": ("llama", {"num_key_value_heads": 1}),
    "llama with its own theta and eps": ("llama", {"rope_parameters": {"rope_theta": 500.0}, "rms_norm_eps": 0.1}),
    "llama linear": ("llama", {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
    "llama yarn": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 1e4,
                "factor": 8.0,
                "original_max_position_embeddings": 32,
            }
        },
    ),
    "llama 3.1": (
        "llama",
        {
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 1e3,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            }
        },
    ),
    "mistral": ("mistral", {"sliding_window": 128}),
    "qwen2": ("qwen2", {}),
    "qwen2 tied": ("qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"head_dim": 32}),
}
