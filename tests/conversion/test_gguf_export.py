"""A checkpoint and its GGUF file answer alike: same tokens, same logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from multi_llm_comparator.conversion.gguf_export import QUANTIZATIONS, export_gguf
from multi_llm_comparator.conversion.provenance import converted_from, source_fingerprint
from tests.support.converted import VARIANTS, logits_distance, tokens_agree
from tests.support.export_checkpoints import (
    LLAMA3_SPLIT,
    QWEN2_SPLIT,
    byte_level_tokenizer,
    sentencepiece_like_tokenizer,
    write_checkpoint,
)


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
    changes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 256}
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
