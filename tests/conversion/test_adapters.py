"""Adapters merged into their base, exported, and written alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from multi_llm_comparator.conversion.convert import ADAPTER, convert, possible_targets, suggested_out
from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.provenance import read_origin
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan.gguf_header import read_gguf_header
from tests.support.adapters import make_adapter, merged
from tests.support.converted import logits_distance
from tests.support.tiny_checkpoint import change_config, make_checkpoint


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_checkpoint(tmp_path_factory.mktemp("base") / "tiny")
    change_config(folder, eos_token_id=390)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = make_adapter(tmp_path_factory.mktemp("adapter") / "style", base, seed=5)
    (place / "tuning.json").write_text(json.dumps({"title": "style"}))
    return place


def test_a_merged_checkpoint_holds_the_sum(base: Path, adapter: Path, tmp_path: Path) -> None:
    report = convert(base, tmp_path / "out", "float32", adapter=adapter)
    wanted = load_file(merged(base, adapter, tmp_path / "wanted") / "model.safetensors")
    got = load_file(tmp_path / "out" / "model.safetensors")
    assert got.keys() == wanted.keys()
    assert all(np.allclose(got[name], wanted[name], atol=1e-6) for name in got)
    assert report.tensor_types == {"F32": len(wanted)}
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["dtype"], config["eos_token_id"]) == ("float32", 390)
    assert json.loads((tmp_path / "out" / "tuning.json").read_text())["title"] == "style"
    origin = read_origin(tmp_path / "out")
    assert origin is not None and origin.name == "tiny + style"
    with pytest.raises(ConversionError, match="is there already"):
        convert(base, tmp_path / "out", "float32", adapter=adapter)


def test_an_adapter_is_exported_with_its_base(base: Path, adapter: Path, tmp_path: Path) -> None:
    report = convert(base, tmp_path / "tiny-style.gguf", "F32", adapter=adapter)
    assert logits_distance(merged(base, adapter, tmp_path / "wanted"), report.out) < 1e-3
    assert read_gguf_header(report.out).metadata["general.name"] == "tiny-style"
    small = convert(base, tmp_path / "small.gguf", "Q4_K_M", adapter=adapter)
    assert "their rows" not in small.fallbacks_text and small.fallbacks
    assert list(tmp_path.glob(".*")) == []


def test_a_gguf_base_is_made_numbers_again_before_the_merge(base: Path, adapter: Path, tmp_path: Path) -> None:
    gguf = export_gguf(base, tmp_path / "tiny-F32.gguf", "F32")
    convert(gguf, tmp_path / "out", "float32", adapter=adapter)
    wanted = load_file(merged(base, adapter, tmp_path / "wanted") / "model.safetensors")
    got = load_file(tmp_path / "out" / "model.safetensors")
    assert all(np.allclose(got[name], wanted[name], atol=1e-6) for name in got)


def test_the_adapter_alone_is_the_same_file_from_either_form_of_its_base(
    base: Path, adapter: Path, tmp_path: Path
) -> None:
    gguf = export_gguf(base, tmp_path / "tiny.gguf", "F32")
    one = convert(base, tmp_path / "one.gguf", ADAPTER, adapter=adapter).out
    other = convert(gguf, tmp_path / "two.gguf", ADAPTER, adapter=adapter).out
    first, second = read_gguf_header(one), read_gguf_header(other)
    assert first.metadata["general.type"] == "adapter"
    assert [(t.name, t.shape) for t in first.tensors] == [(t.name, t.shape) for t in second.tensors]
    assert one.read_bytes()[first.data_offset :] == other.read_bytes()[second.data_offset :]
    with pytest.raises(InvalidParameterError, match="whole model"):
        convert(base, tmp_path / "no.gguf", ADAPTER)


def test_nothing_is_added_to_quantised_or_tied_weights(base: Path, adapter: Path, tmp_path: Path) -> None:
    head = make_adapter(tmp_path / "head", base, targets=("embed_tokens",))
    matrices = load_file(head / "adapter_model.safetensors")
    named = {name.replace("model.embed_tokens", "other_head"): value for name, value in matrices.items()}
    save_file(named, head / "adapter_model.safetensors")
    with pytest.raises(UnsupportedModelError, match="no weights of its own"):
        convert(base, tmp_path / "out", "float32", adapter=head)
    quantised = merged(base, adapter, tmp_path / "quantised")
    weights = load_file(quantised / "model.safetensors")
    weights["model.norm.weight"] = weights["model.norm.weight"].astype(np.uint8)
    save_file(weights, quantised / "model.safetensors")
    with pytest.raises(UnsupportedModelError, match="quantised checkpoint"):
        convert(quantised, tmp_path / "out", "float32", adapter=adapter)


def test_what_an_adapter_can_become_is_told_by_its_base(base: Path, adapter: Path) -> None:
    config = {"architecture": "LlamaForCausalLM", "file_format": "safetensors"}
    checkpoint = ModelInfo("", "tiny", str(base), ModelType.PYTORCH, 1, config)
    target = ModelInfo("", "tiny:style", str(adapter), ModelType.PYTORCH, 1, dict(config), base=checkpoint)
    assert {"bfloat16", "Q4_K_M", ADAPTER} <= set(possible_targets(target))
    assert ADAPTER not in possible_targets(checkpoint)
    odd = ModelInfo("", "odd", str(base), ModelType.PYTORCH, 1, {**config, "architecture": "GPT2LMHeadModel"})
    assert possible_targets(ModelInfo("", "odd:style", str(adapter), ModelType.PYTORCH, 1, {}, base=odd)) == (
        "bfloat16",
        "float16",
        "float32",
    )
    assert suggested_out(base, "Q8_0", Path("m"), adapter="style") == Path("m/gguf/tiny-style-Q8_0.gguf")
    assert suggested_out(base, ADAPTER, Path("m"), adapter="style") == Path("m/gguf/tiny-style-adapter.gguf")
