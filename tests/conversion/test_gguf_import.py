"""A GGUF file and the checkpoint made from it answer alike: same weights, same tokens, same logits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader, GGUFWriter
from safetensors.torch import load_file

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.gguf_import import gguf_to_pytorch
from multi_llm_comparator.conversion.gguf_quantize import quantize_gguf
from multi_llm_comparator.conversion.provenance import converted_from, read_origin, source_fingerprint
from multi_llm_comparator.core.exceptions import (
    ConversionError,
    InvalidParameterError,
    ModelLoadError,
    MultiLLMError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.models import ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.pytorch_load import load_checkpoint
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.converted import VARIANTS, logits_distance, tokens_agree
from tests.support.export_checkpoints import (
    LLAMA3_SPLIT,
    QWEN2_SPLIT,
    byte_level_tokenizer,
    sentencepiece_like_tokenizer,
    write_checkpoint,
)
from tests.support.model_files import LLAMA, gguf_bytes

SPECIALS = ("<|im_start|>", "<|im_end|>", "<tool>")


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    checkpoint = write_checkpoint(folder / "tiny", "llama", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)
    (checkpoint / "README.md").write_text("---\nlicense: mit\n---\n")
    return export_gguf(checkpoint, folder / "tiny-F16.gguf", "F16")


def differing(checkpoint: Path, other: Path) -> list[str]:
    before, after = weights_of(checkpoint), weights_of(other)
    assert after.keys() == before.keys()
    return [name for name in before if not torch.equal(before[name], after[name])]


@pytest.mark.parametrize("name", VARIANTS)
def test_there_and_back_weights_and_logits_are_equal(tmp_path: Path, name: str) -> None:
    model_type, changes = VARIANTS[name]
    checkpoint = write_checkpoint(tmp_path / "model", model_type, byte_level_tokenizer(QWEN2_SPLIT), **changes)
    there = export_gguf(checkpoint, tmp_path / "there.gguf", "F32")
    back = gguf_to_pytorch(there, tmp_path / "back", dtype="float32").out
    assert differing(checkpoint, back) == []
    # Equal weights are not enough: the configuration must mean the same.
    assert logits_distance(back, there) < 5e-4


@pytest.mark.parametrize("model_type", ["llama", "qwen2"])
def test_sixteen_bits_go_there_and_back_unchanged(tmp_path: Path, model_type: str) -> None:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    checkpoint = write_checkpoint(tmp_path / "model", model_type, tokenizer, dtype=torch.float16)
    there = export_gguf(checkpoint, tmp_path / "there.gguf", "F16")
    back = gguf_to_pytorch(there, tmp_path / "back", dtype="float16").out
    assert differing(checkpoint, back) == []
    tokens_agree(back, there, SPECIALS)


@pytest.mark.parametrize("quantization", ["Q8_0", "Q4_1", "Q4_K_M"])
def test_quantized_weights_are_read_as_llama_cpp_reads_them(tmp_path: Path, quantization: str) -> None:
    changes: dict[str, Any] = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 1}
    checkpoint = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(QWEN2_SPLIT), **changes)
    there = export_gguf(checkpoint, tmp_path / "there.gguf", quantization)
    back = gguf_to_pytorch(there, tmp_path / "back", dtype="float32").out
    # llama.cpp rounds what it multiplies quantized weights with, so this is no proof of each bit.
    assert logits_distance(back, there) < 0.1
    plain = export_gguf(back, tmp_path / "plain.gguf", "F32")
    assert logits_distance(back, plain) < 5e-4


@pytest.mark.parametrize("split", [QWEN2_SPLIT, LLAMA3_SPLIT, None], ids=["qwen2", "dbrx", "gpt2"])
def test_byte_level_tokens_are_those_of_llama_cpp(tmp_path: Path, split: str | None) -> None:
    # For the type qwen2 AutoTokenizer puts rules of its own in place of those in tokenizer.json; our engine does not.
    checkpoint = write_checkpoint(tmp_path / "model", "llama", byte_level_tokenizer(split), num_hidden_layers=1)
    there = export_gguf(checkpoint, tmp_path / "there.gguf")
    tokens_agree(gguf_to_pytorch(there, tmp_path / "back").out, there, SPECIALS)


def test_a_llama3_tokenizer_takes_whole_words_before_merges(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer(LLAMA3_SPLIT, ignore_merges=True)
    checkpoint = write_checkpoint(tmp_path / "model", "llama", tokenizer, num_hidden_layers=1)
    there = export_gguf(checkpoint, tmp_path / "there.gguf")
    back = gguf_to_pytorch(there, tmp_path / "back").out
    assert json.loads((back / "tokenizer.json").read_text())["model"]["ignore_merges"] is True
    tokens_agree(back, there, SPECIALS)


def test_sentencepiece_tokens_are_those_of_llama_cpp(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "llama", sentencepiece_like_tokenizer(), num_hidden_layers=1)
    there = export_gguf(checkpoint, tmp_path / "there.gguf")
    back = gguf_to_pytorch(there, tmp_path / "back").out
    # A space stands before the text in both, so texts that begin alike are compared.
    tokens_agree(back, there, ())


def test_our_engine_loads_it_and_stops_where_llama_cpp_would(exported: Path, tmp_path: Path) -> None:
    back = gguf_to_pytorch(exported, tmp_path / "back").out
    loaded = load_checkpoint(str(back), LoadOptions(use_gpu=False, torch_dtype="bfloat16"))
    assert loaded.model.config.dtype == torch.bfloat16
    assert loaded.tokenizer.convert_tokens_to_ids("<|im_end|>") in loaded.stop_ids
    assert "<|im_start|>" in loaded.tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)


def test_a_scan_finds_it_whole_and_with_its_licence(exported: Path, tmp_path: Path) -> None:
    gguf_to_pytorch(exported, tmp_path / "models" / "back")
    notes: list[str] = []
    (found,) = scan_folder(tmp_path / "models", "here", kinds=frozenset({ModelType.PYTORCH}), notes=notes)
    assert found.problem is None and found.config["chat_template"] is True
    assert (tmp_path / "models" / "back" / "README.md").read_text().startswith("---\nlicense: mit\n")


def test_it_says_what_it_was_made_from_and_what_was_lost_before(exported: Path, tmp_path: Path) -> None:
    small = quantize_gguf(exported, tmp_path / "tiny-Q4_1.gguf", "Q4_1").out
    back = gguf_to_pytorch(small, tmp_path / "back").out
    assert converted_from(back) == source_fingerprint(small)
    origin = read_origin(back)
    assert origin is not None and (origin.name, origin.through) == ("tiny-Q4_1.gguf", "F32, F16, Q4_1")
    card = (back / "README.md").read_text()
    assert "what Q4_1 kept" in card and source_fingerprint(small).split(":")[1] in card
    again = export_gguf(back, tmp_path / "again.gguf", "Q8_0")
    origin = read_origin(again)
    assert origin is not None and origin.through == "F32, F16, Q4_1, BF16"


def test_recommended_sampling_goes_along(tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "model", "qwen2", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)
    settings = {"do_sample": True, "temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}
    (checkpoint / "generation_config.json").write_text(json.dumps(settings | {"eos_token_id": [3, 2]}))
    there = export_gguf(checkpoint, tmp_path / "there.gguf")
    back = gguf_to_pytorch(there, tmp_path / "back").out
    made = json.loads((back / "generation_config.json").read_text())
    assert {name: made[name] for name in settings} == settings
    assert made["eos_token_id"][0] == 3


def test_progress_rises_to_the_end(exported: Path, tmp_path: Path) -> None:
    shares: list[float] = []
    gguf_to_pytorch(exported, tmp_path / "back", progress=lambda _, share: shares.append(share))
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == pytest.approx(1.0)


def test_large_checkpoints_are_written_in_parts(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights_of(gguf_to_pytorch(exported, tmp_path / "whole").out)
    monkeypatch.setattr("multi_llm_comparator.conversion.safetensors_writer.MAX_SHARD_BYTES", 40_000)
    back = gguf_to_pytorch(exported, tmp_path / "back").out
    assert len(list(back.glob("*.safetensors"))) > 1
    parts = weights_of(back)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert load_checkpoint(str(back), LoadOptions(use_gpu=False)).model.config.num_hidden_layers > 0


def test_nothing_is_left_of_what_failed_and_nothing_there_is_touched(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="float8"):
        gguf_to_pytorch(exported, tmp_path / "back", dtype="float8")
    (tmp_path / "taken").mkdir()
    with pytest.raises(ConversionError, match="is there already"):
        gguf_to_pytorch(exported, tmp_path / "taken")
    with pytest.raises(ModelLoadError, match="not a file"):
        gguf_to_pytorch(tmp_path / "nowhere.gguf", tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def rewritten(source: Path, out: Path, changes: dict[str, Any], *, without: str = "", extra: str = "") -> Path:
    """A copy of a GGUF file with other metadata or tensors. Only what the conversion looks at before llama.cpp does."""
    reader = GGUFReader(source)
    writer = GGUFWriter(out, changes.get("general.architecture", "llama"))
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture" and changes.get(name, "") is not None:
            value = changes.get(name, field.contents())
            writer.add_key_value(name, value, field.types[0], field.types[-1] if len(field.types) > 1 else None)
    for name, value in changes.items():
        if value is not None and name not in reader.fields:
            writer.add_float32(name, value) if isinstance(value, float) else writer.add_uint32(name, value)
    for tensor in reader.tensors:
        if tensor.name != without:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
    if extra:
        writer.add_tensor(extra, np.zeros((4, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"llama.attention.scale": 0.5}, UnsupportedModelError, "attention.scale"),
        ({"llama.expert_count": 4}, UnsupportedModelError, "expert_count"),
        ({"llama.rope.dimension_count": 8}, UnsupportedModelError, "dimension_count"),
        ({"llama.embedding_length": 128}, ModelLoadError, "shape"),
        ({"tokenizer.ggml.pre": "gpt-4o"}, UnsupportedModelError, "gpt-4o"),
    ],
)
def test_what_pytorch_cannot_say_is_refused_by_name(
    exported: Path, tmp_path: Path, changes: dict[str, Any], kind: type[MultiLLMError], text: str
) -> None:
    changed = rewritten(exported, tmp_path / "changed.gguf", changes)
    with pytest.raises(kind, match=text):
        gguf_to_pytorch(changed, tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == ["changed.gguf"]


@pytest.mark.parametrize(
    ("tensors", "text"),
    [({"without": "blk.0.ffn_up.weight"}, "ffn_up"), ({"extra": "blk.0.ffn_gate_exps.weight"}, "no place")],
)
def test_missing_and_foreign_tensors_are_named(exported: Path, tmp_path: Path, tensors: Any, text: str) -> None:
    changed = rewritten(exported, tmp_path / "changed.gguf", {}, **tensors)
    with pytest.raises(ModelLoadError, match=text):
        gguf_to_pytorch(changed, tmp_path / "back")


def test_another_architecture_is_refused_with_what_is_possible(tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf_bytes(LLAMA | {"general.architecture": "gemma3", "gemma3.block_count": 2}))
    with pytest.raises(MultiLLMError):
        gguf_to_pytorch(other, tmp_path / "back")
    assert not (tmp_path / "back").exists()


@pytest.mark.parametrize("keep", [0, 4, 30, 400, -5000])
def test_damaged_files_are_refused_before_anything_is_written(exported: Path, tmp_path: Path, keep: int) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(exported.read_bytes()[:keep])
    with pytest.raises(ModelLoadError):
        gguf_to_pytorch(damaged, tmp_path / "back")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.gguf"]


def test_a_licence_that_would_break_the_card_is_left_out(exported: Path, tmp_path: Path) -> None:
    changed = rewritten(exported, tmp_path / "changed.gguf", {"general.license": "mit\n---\n# <script>"})
    back = gguf_to_pytorch(changed, tmp_path / "back").out
    assert "script" not in (back / "README.md").read_text()
