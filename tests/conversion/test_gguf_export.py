"""A checkpoint and its GGUF file answer alike: same tokens, same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.bare_llama import BareLlama
from multi_llm_comparator.conversion.gguf_export import QUANTIZATIONS, export_gguf
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from tests.support.export_checkpoints import (
    LLAMA3_SPLIT,
    QWEN2_SPLIT,
    byte_level_tokenizer,
    sentencepiece_like_tokenizer,
    write_checkpoint,
)

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


@pytest.mark.parametrize("split", [QWEN2_SPLIT, LLAMA3_SPLIT, None], ids=["qwen2", "llama3", "gpt2"])
def test_byte_level_tokenizers_give_the_same_tokens(tmp_path: Path, split: str | None) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(split))
    exported = export_gguf(checkpoint, tmp_path / "out" / "model.gguf", "F32")
    tokens_agree(checkpoint, exported, ("<|im_start|>", "<|im_end|>", "<tool>"))


def test_a_llama3_tokenizer_that_ignores_merges_gives_the_same_tokens(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(LLAMA3_SPLIT, ignore_merges=True)
    checkpoint = write_checkpoint(tmp_path / "model", "llama", tokenizer)
    exported = export_gguf(checkpoint, tmp_path / "model.gguf")
    assert GGUFReader(exported).get_field("tokenizer.ggml.pre").contents() == "llama-bpe"
    tokens_agree(checkpoint, exported, ("<|im_start|>",))


def test_a_sentencepiece_like_tokenizer_gives_the_same_tokens(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "llama", sentencepiece_like_tokenizer())
    exported = export_gguf(checkpoint, tmp_path / "model.gguf")
    tokens_agree(checkpoint, exported, ())


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


@pytest.mark.parametrize("name", VARIANTS)
def test_logits_are_those_of_the_checkpoint(tmp_path: Path, name: str) -> None:
    model_type, changes = VARIANTS[name]
    checkpoint = write_checkpoint(tmp_path / "model", model_type, byte_level_tokenizer(QWEN2_SPLIT), **changes)
    exported = export_gguf(checkpoint, tmp_path / "model.gguf", "F32")
    assert logits_distance(checkpoint, exported) < 5e-4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("quantization", ["F32", "F16", "BF16", "Q8_0"])
def test_16_bit_shards_become_every_kind_of_file(tmp_path: Path, dtype: torch.dtype, quantization: str) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    checkpoint = write_checkpoint(tmp_path / "model", "qwen2", tokenizer, dtype=dtype, shard="100KB")
    assert (checkpoint / "model.safetensors.index.json").exists()
    exported = export_gguf(checkpoint, tmp_path / "model.gguf", quantization)
    assert logits_distance(checkpoint, exported) < {"F32": 5e-4, "F16": 5e-3, "BF16": 5e-2, "Q8_0": 0.15}[quantization]


def test_quantised_files_keep_vectors_exact_and_shrink(tmp_path: Path) -> None:
    changes = {"hidden_size": 256, "intermediate_size": 256}
    checkpoint = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(QWEN2_SPLIT), **changes)
    sizes = {}
    for quantization in ("F16", "Q8_0", "Q6_K", "Q4_K_M", "Q4_0"):
        exported = export_gguf(checkpoint, tmp_path / f"{quantization}.gguf", quantization)
        kinds = {t.name: t.tensor_type.name for t in GGUFReader(exported).tensors}
        assert kinds["output_norm.weight"] == "F32"
        assert kinds["blk.0.ffn_gate.weight"] == quantization.removesuffix("_M")
        sizes[quantization] = exported.stat().st_size
    assert sizes["F16"] > sizes["Q8_0"] > sizes["Q6_K"] > sizes["Q4_K_M"] > sizes["Q4_0"]


def test_the_file_tells_what_it_was_made_from(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "some-model", "qwen2", byte_level_tokenizer(QWEN2_SPLIT))
    (checkpoint / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    exported = export_gguf(checkpoint, tmp_path / "model.gguf")
    assert converted_from(exported) == source_fingerprint(checkpoint)
    reader = GGUFReader(exported)
    read = {
        key: reader.get_field(key).contents() for key in ("general.name", "general.license", "qwen2.context_length")
    }
    assert read == {"general.name": "some-model", "general.license": "mit", "qwen2.context_length": 256}
    (checkpoint / "README.md").write_text("changed")
    assert converted_from(exported) != source_fingerprint(checkpoint)


def test_nothing_but_the_finished_file_is_left(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(QWEN2_SPLIT))
    out = tmp_path / "out" / "model.gguf"
    assert export_gguf(checkpoint, out, "q8_0") == out
    assert list(out.parent.iterdir()) == [out]


def test_the_names_of_quantizations_are_public() -> None:
    assert {"F32", "F16", "Q8_0", "Q4_0", "Q4_K_M"} <= set(QUANTIZATIONS)
