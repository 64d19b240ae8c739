"""What cannot be exported is refused with a reason, and leaves no file behind."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.llama_cpp_child import quantize_with_llama_cpp, tokenize_with_llama_cpp
from multi_llm_comparator.conversion.provenance import converted_from
from multi_llm_comparator.core.exceptions import InvalidParameterError, ModelLoadError, UnsupportedModelError
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints") / "good"
    return write_checkpoint(folder, "llama", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)


@pytest.fixture
def checkpoint(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "model"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def refused(checkpoint: Path, kind: type[Exception], text: str, quantization: str = "F16") -> None:
    out = checkpoint.parent / "out" / "model.gguf"
    with pytest.raises(kind, match=text):
        export_gguf(checkpoint, out, quantization)
    assert not out.parent.exists() or list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("config.json", ModelLoadError, "no config.json"),
        ("tokenizer.json", ModelLoadError, "no tokenizer.json"),
        ("model.safetensors", UnsupportedModelError, "no model.safetensors"),
    ],
)
def test_a_missing_file_is_named(checkpoint: Path, name: str, kind: type[Exception], text: str) -> None:
    (checkpoint / name).unlink()
    refused(checkpoint, kind, text)


def test_a_path_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="nowhere"):
        export_gguf(tmp_path / "nowhere", tmp_path / "model.gguf")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_broken_json_is_named(checkpoint: Path, name: str, content: bytes) -> None:
    (checkpoint / name).write_bytes(content)
    refused(checkpoint, ModelLoadError, name)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model_type": "gpt_neox"}, "gpt_neox"),
        ({"architectures": ["LlamaForSequenceClassification"]}, "LlamaForSequenceClassification"),
        ({"hidden_act": "gelu"}, "gelu"),
        ({"quantization_config": {"load_in_4bit": True}}, "quantised already"),
        ({"rope_parameters": {"rope_type": "longrope"}}, "longrope"),
        ({"rope_parameters": None, "rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic"),
        ({"rope_parameters": {"full": {"rope_type": "default"}}}, "differ between layers"),
        ({"rope_parameters": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 7}}, "beta_fast"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "big"}}, "rope_theta"),
        ({"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}, "low_freq_factor"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor"),
        ({"hidden_size": -4}, "hidden_size"),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers"),
        ({"num_key_value_heads": 3}, "do not fit"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
    ],
)
def test_a_configuration_that_gguf_cannot_hold_is_named(checkpoint: Path, changes: dict[str, Any], text: str) -> None:
    edit(checkpoint / "config.json", lambda config: config.update(changes))
    refused(checkpoint, UnsupportedModelError, text)


def test_llama3_rotation_is_refused_for_qwen2(checkpoint: Path) -> None:
    rope = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    edit(checkpoint / "config.json", lambda c: c.update(model_type="qwen2", rope_parameters=rope))
    refused(checkpoint, UnsupportedModelError, "llama3")


@pytest.mark.parametrize("keep", [0, 4, 100, -1000])
def test_truncated_weights_are_named(checkpoint: Path, keep: int) -> None:
    weights = checkpoint / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    refused(checkpoint, ModelLoadError, "model.safetensors")


def test_missing_misshapen_and_foreign_tensors_are_named(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    tensors = load_file(weights)
    name = "model.layers.0.mlp.up_proj.weight"
    save_file({k: v for k, v in tensors.items() if k != name}, weights)
    refused(checkpoint, ModelLoadError, "no tensor 'model.layers.0.mlp.up_proj.weight'")
    save_file(tensors | {name: tensors[name][:-1].copy()}, weights)
    refused(checkpoint, ModelLoadError, r"up_proj.weight' has shape \(95, 64\)")
    save_file(tensors | {name: tensors[name].astype(np.int8)}, weights)
    refused(checkpoint, UnsupportedModelError, "I8")
    save_file(tensors | {"model.layers.0.mlp.experts.0.w": tensors[name]}, weights)
    refused(checkpoint, UnsupportedModelError, "experts")


def test_a_shard_index_may_not_lead_out_of_the_directory(checkpoint: Path) -> None:
    index = checkpoint / "model.safetensors.index.json"
    for name, text in (("../model.safetensors", "plain file name"), ("gone.safetensors", "missing")):
        index.write_text(json.dumps({"weight_map": {"a": name}}))
        refused(checkpoint, ModelLoadError, text)


def test_an_adapter_is_told_apart_from_a_model(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()
    (checkpoint / "adapter_config.json").write_text("{}")
    refused(checkpoint, UnsupportedModelError, "merge it")


def test_values_that_f16_cannot_hold_are_refused_and_f32_takes_them(checkpoint: Path) -> None:
    weights = checkpoint / "model.safetensors"
    tensors = load_file(weights)
    tensors["lm_head.weight"][0, 0] = 1e6
    save_file(tensors, weights)
    refused(checkpoint, UnsupportedModelError, "lm_head.weight.*F16")
    assert export_gguf(checkpoint, checkpoint.parent / "whole.gguf", "F32").exists()


def test_an_unknown_quantization_is_refused_with_those_known(checkpoint: Path) -> None:
    refused(checkpoint, InvalidParameterError, "Q4_K_M", "Q3")


def test_an_existing_file_survives_a_failed_export(checkpoint: Path) -> None:
    out = checkpoint.parent / "model.gguf"
    out.write_bytes(b"what was here")
    (checkpoint / "model.safetensors").write_bytes(b"no")
    with pytest.raises(ModelLoadError):
        export_gguf(checkpoint, out)
    assert out.read_bytes() == b"what was here"


def test_what_llama_cpp_refuses_comes_back_as_an_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + b"\x03" * 60)
    with pytest.raises(ModelLoadError, match=r"could not tokenize .*bad\.gguf"):
        tokenize_with_llama_cpp(bad, ["a"])
    with pytest.raises(ModelLoadError, match=r"could not quantize .*bad\.gguf"):
        quantize_with_llama_cpp(bad, tmp_path / "out.gguf", 7, 1)


@pytest.mark.parametrize("content", [None, b"", b"GGUF", b"not a model" * 100])
def test_a_file_of_another_origin_has_no_source(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "other.gguf"
    if content is not None:
        path.write_bytes(content)
    assert converted_from(path) is None
