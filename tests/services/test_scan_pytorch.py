from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.services.scan import reading
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.model_files import CONFIG, WEIGHTS, checkpoint, framed, gguf_bytes, safetensors_bytes

PAIR = {f"base_model.model.q.lora_{x}.weight": ("F32", shape) for x, shape in (("A", (8, 64)), ("B", (64, 8)))}


def scan_one(folder: Path) -> ModelInfo:
    (model,) = scan_folder(folder, "test")
    return model


def test_a_checkpoint_is_one_model_described_from_its_headers(tmp_path: Path) -> None:
    checkpoint(tmp_path / "tiny", tokenizer_config={"chat_template": "{{ messages }}"})
    (tmp_path / "tiny" / "training_args.bin").write_bytes(b"x")
    model = scan_one(tmp_path)
    assert (model.name, model.model_type, model.problem) == ("tiny", ModelType.PYTORCH, None)
    assert model.path == str(tmp_path / "tiny")
    assert model.size == (tmp_path / "tiny" / "model.safetensors").stat().st_size
    expected = {
        "architecture": "LlamaForCausalLM",
        "parameters": 100 * 64 + 64 * 64,
        "linear_parameters": 64 * 64,
        "weight_bytes": (100 * 64 + 64 * 64) * 2,
        "quantization": "BF16",
        "dtype": "BF16",
        "context_length": 256,
        "layers": 2,
        "kv_bytes_per_token": 2 * 2 * 16 * 2 * 2,
        "chat_template": True,
        "file_format": "safetensors",
    }
    assert expected.items() <= model.config.items()


def test_shards_are_one_model_and_a_missing_one_is_named(tmp_path: Path) -> None:
    names = [f"model-{i:05d}-of-00003.safetensors" for i in (1, 2, 3)]
    index = {"weight_map": {f"t{i}": name for i, name in enumerate(names)}}
    folder = checkpoint(tmp_path / "big", weights=False)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for i, name in enumerate(names):
        (folder / name).write_bytes(safetensors_bytes({f"t{i}": ("BF16", (10, 10))}))
    model = scan_one(tmp_path)
    assert (model.problem, model.config["parameters"], len(model.config["files"])) == (None, 300, 3)
    (folder / names[1]).unlink()
    assert f"1 of 3 shards missing: {names[1]!r}" in (scan_one(tmp_path).problem or "")


@pytest.mark.parametrize(("bound", "says"), [("MAX_MODEL_TENSORS", "tensors"), ("MAX_MODEL_HEADER_BYTES", "headers")])
def test_links_to_one_file_do_not_make_a_model_of_any_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, says: str
) -> None:
    content = safetensors_bytes({f"t{i}": ("F32", (1,)) for i in range(10)})
    monkeypatch.setattr(reading, bound, 50 if says == "tensors" else 5 * len(content))
    folder = checkpoint(tmp_path / "many", weights=False)
    (folder / "one.safetensors").write_bytes(content)
    names = [f"model-{i:05d}.safetensors" for i in range(20)]
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict(enumerate(names))}))
    for name in names:
        (folder / name).symlink_to("one.safetensors")
    model = scan_one(tmp_path)
    assert says in (model.problem or "") and "together" in (model.problem or "")
    assert "parameters" not in model.config


def test_an_index_that_points_outside_its_folder_is_not_followed(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "evil", weights=False)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"t": "../../secret.safetensors"}}))
    assert "outside its folder" in (scan_one(tmp_path).problem or "")


@pytest.mark.parametrize("shape", [{}, {"weight_map": []}, {"weight_map": {"t": 7}}, {"weight_map": {}}])
def test_a_senseless_index_is_a_problem(tmp_path: Path, shape: dict[str, Any]) -> None:
    folder = checkpoint(tmp_path / "odd", weights=False)
    (folder / "model.safetensors.index.json").write_text(json.dumps(shape))
    assert not scan_one(tmp_path).is_loadable


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"architectures": ["BertForMaskedLM"], "model_type": "bert"}, "does not write text"),
        ({**CONFIG, "is_encoder_decoder": True}, "encoder-decoder"),
        ({"_class_name": "UNet2DConditionModel"}, "diffusers"),
        ({}, "neither 'model_type' nor 'architectures'"),
        ({**CONFIG, "quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptqmodel"),
    ],
)
def test_what_cannot_run_is_listed_with_the_reason(tmp_path: Path, config: dict[Any, Any], says: str) -> None:
    checkpoint(tmp_path / "model", config)
    assert says in (scan_one(tmp_path).problem or "")


def test_a_checkpoint_without_weights_or_tokenizer_says_so(tmp_path: Path) -> None:
    checkpoint(tmp_path / "bare", weights=False)
    assert "no weights" in (scan_one(tmp_path).problem or "")
    checkpoint(tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    assert "no tokenizer" in (scan_one(tmp_path).problem or "")


def test_weights_of_another_framework_or_name_say_so(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", weights=False)
    (folder / "tf_model.h5").write_bytes(b"x")
    assert "TensorFlow" in (scan_one(tmp_path).problem or "")
    (folder / "weights.safetensors").write_bytes(safetensors_bytes(WEIGHTS))
    assert "rename to 'model.safetensors'" in (scan_one(tmp_path).problem or "")


def test_a_checkpoint_with_code_of_its_own_is_marked(tmp_path: Path) -> None:
    checkpoint(tmp_path / "custom", {**CONFIG, "auto_map": {"AutoModelForCausalLM": "modeling.X"}})
    model = scan_one(tmp_path)
    assert model.is_loadable
    assert "trust_remote_code" in model.config["warnings"][0]


def test_generation_defaults_come_under_our_names_and_only_if_valid(tmp_path: Path) -> None:
    stored = {"temperature": 0.6, "top_p": 0.95, "top_k": -3, "repetition_penalty": 1.05, "eos_token_id": 2}
    checkpoint(tmp_path / "model", generation_config=stored)
    assert scan_one(tmp_path).config["generation"] == {"temperature": 0.6, "top_p": 0.95, "repeat_penalty": 1.05}
    checkpoint(tmp_path / "model", generation_config={"do_sample": False, "temperature": 0.6, "top_p": 1})
    assert scan_one(tmp_path).config["generation"] == {"temperature": 0.0, "top_p": 1}


@pytest.mark.parametrize("name", ["tokenizer_config.json", "chat_template.json"])
def test_chat_templates_are_found_wherever_they_are_kept(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path / "model")
    assert scan_one(tmp_path).config["chat_template"] is False
    (folder / name).write_text(json.dumps({"chat_template": "{{ messages }}"}))
    assert scan_one(tmp_path).config["chat_template"] is True
    (folder / name).unlink()
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert scan_one(tmp_path).config["chat_template"] is True


def test_a_model_that_also_sees_is_described_by_its_text_part(tmp_path: Path) -> None:
    nested = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": CONFIG}
    checkpoint(tmp_path / "model", nested)
    assert scan_one(tmp_path).config["layers"] == 2


def test_weights_quantized_in_advance_count_their_real_parameters(tmp_path: Path) -> None:
    config = {**CONFIG, "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    folder = checkpoint(tmp_path / "model", config)
    packed = {"a.weight": ("U8", (64, 32)), "a.weight.absmax": ("F32", (64,)), "b.weight": ("BF16", (10, 64))}
    (folder / "model.safetensors").write_bytes(safetensors_bytes(packed))
    model = scan_one(tmp_path)
    assert model.config["parameters"] == 64 * 64 + 640
    assert model.config["quantization"] == "4-bit bitsandbytes"


def test_layers_without_attention_take_no_cache(tmp_path: Path) -> None:
    checkpoint(tmp_path / "model", {**CONFIG, "layer_types": ["linear_attention", "full_attention"]})
    assert scan_one(tmp_path).config["kv_bytes_per_token"] == 2 * 16 * 2 * 2


def test_an_adapter_is_listed_with_its_base(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    stored = {"base_model_name_or_path": "org/base", "peft_type": "LORA", "r": 8}
    (folder / "adapter_config.json").write_text(json.dumps(stored))
    (folder / "adapter_model.safetensors").write_bytes(safetensors_bytes(PAIR))
    model = scan_one(tmp_path)
    assert (model.name, model.config["base_model"], model.config["rank"]) == ("lora", "org/base", 8)
    assert "load its base 'org/base'" in (model.problem or "")
    (folder / "adapter_model.safetensors").unlink()
    assert "without weights" in (scan_one(tmp_path).problem or "")


@pytest.mark.parametrize("name", ["a.bin", "b.pt", "c.pth", "d.safetensors"])
def test_loose_weights_are_listed_with_the_reason(tmp_path: Path, name: str) -> None:
    content = safetensors_bytes(WEIGHTS) if name.endswith("safetensors") else b"PK\x03\x04....PK\x05\x06" + bytes(18)
    (tmp_path / name).write_bytes(content)
    model = scan_one(tmp_path)
    assert (model.name, model.model_type) == (name[0], ModelType.PYTORCH)
    assert "'config.json' and a tokenizer must lie beside" in (model.problem or "")


def test_pickles_are_judged_by_their_frame_alone(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "model", weights=False)
    for content, says in (
        (b"", "is empty"),
        (b"PK\x03\x04....", "cut off"),
        (b"<html>", "not a file that torch wrote"),
    ):
        (folder / "pytorch_model.bin").write_bytes(content)
        assert says in (scan_one(tmp_path).problem or "")
    (folder / "pytorch_model.bin").write_bytes(b"PK\x03\x04....PK\x05\x06" + bytes(18))
    model = scan_one(tmp_path)
    assert (model.problem, model.config["file_format"]) == (None, "PyTorch (pickle)")


def test_training_checkpoints_inside_a_model_are_models_and_its_parts_are_not(tmp_path: Path) -> None:
    checkpoint(tmp_path / "run")
    checkpoint(tmp_path / "run" / "checkpoint-500")
    (tmp_path / "run" / "checkpoint-500" / "optimizer.pt").write_bytes(b"x")
    (tmp_path / "run" / "1_Pooling").mkdir()
    (tmp_path / "run" / "1_Pooling" / "config.json").write_text("{}")
    assert [model.name for model in scan_folder(tmp_path, "test")] == ["run", "checkpoint-500"]


def test_a_folder_of_gguf_files_with_a_config_is_no_broken_checkpoint(tmp_path: Path) -> None:
    checkpoint(tmp_path / "repo", weights=False)
    (tmp_path / "repo" / "model-Q4_0.gguf").write_bytes(gguf_bytes())
    assert [model.model_type for model in scan_folder(tmp_path, "test")] == [ModelType.GGUF]


DEEP = b"[" * 200_000
HOSTILE_JSON = [
    b"",
    b"null",
    b"[]",
    b"\xff\xfe\x00",
    DEEP,
    b'{"a":' * 200_000,
    b'{"num_hidden_layers": ' + b"9" * 10_000 + b"}",
    b'{"model_type": NaN, "num_hidden_layers": Infinity, "vocab_size": -1e999}',
    json.dumps({key: [[]] for key in CONFIG}).encode(),
    json.dumps({key: {"a": None} for key in CONFIG}).encode(),
    json.dumps(dict.fromkeys(CONFIG, True)).encode(),
    json.dumps(dict.fromkeys(CONFIG, 0)).encode(),
    json.dumps(dict.fromkeys(CONFIG, 2**63)).encode(),
    json.dumps({**CONFIG, "text_config": 5, "quantization_config": [], "auto_map": 3, "layer_types": {}}).encode(),
    json.dumps({**CONFIG, "model_type": "../../../etc", "architectures": "\ud800"}).encode(),
    json.dumps({**CONFIG, "architectures": ["\ud800ForCausalLM"], "quantization_config": {"quant_method": 3}}).encode(),
]


@pytest.mark.parametrize("content", HOSTILE_JSON, ids=range(len(HOSTILE_JSON)))
@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "tokenizer_config.json", "model.safetensors.index.json"]
)
def test_hostile_json_never_stops_a_scan(tmp_path: Path, name: str, content: Any) -> None:
    folder = checkpoint(tmp_path / "model", weights="index" not in name)
    (folder / name).write_bytes(content)
    json.dumps(scan_one(tmp_path).config, ensure_ascii=False).encode()


@pytest.mark.parametrize("content", HOSTILE_JSON, ids=range(len(HOSTILE_JSON)))
def test_hostile_adapters_and_tensor_headers_never_stop_a_scan(tmp_path: Path, content: Any) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_bytes(content)
    (tmp_path / "loose.safetensors").write_bytes(framed(content))
    models = scan_folder(tmp_path, "test")
    assert len(models) == 2
    assert not any(model.is_loadable for model in models)


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ({"a": {"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}}, "unknown type 'F99'"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, "does not have the size"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}, "does not have the size"),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, "not described"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}, "gap or overlaps"),
        ({"a": {"dtype": "F32", "shape": [2**62] * 16, "data_offsets": [0, 8]}}, "does not have the size"),
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, "8 of 16 bytes are missing"),
        ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, "4 bytes after its last tensor"),
        ({"a": [1, 2]}, "not described"),
        ({}, "8 bytes after"),
    ],
)
def test_tensor_headers_are_checked_against_shape_type_and_length(
    tmp_path: Path, header: dict[str, Any], says: str
) -> None:
    (tmp_path / "x.safetensors").write_bytes(framed(json.dumps(header).encode()) + bytes(8))
    assert says in (scan_one(tmp_path).problem or "")


def test_safetensors_lengths_beyond_the_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for content, says in (
        (b"123", "too few"),
        (struct.pack("<Q", 2**63) + b"{}", "cut off"),
        (bytes(8), "not valid JSON"),
    ):
        path.write_bytes(content)
        assert says in (scan_one(tmp_path).problem or "")
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2**30))
        file.truncate(2**31)
    assert "are refused" in (scan_one(tmp_path).problem or "")


def test_special_files_and_dangling_links_are_listed_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.gguf").symlink_to(tmp_path / "loop.gguf")
    (tmp_path / "device.gguf").symlink_to("/dev/zero")
    folder = checkpoint(tmp_path / "model")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    models = {model.name: model.problem or "" for model in scan_folder(tmp_path, "test")}
    assert "not a regular file" in models["pipe"]
    assert "not a regular file" in models["device"]
    assert "cannot be read" in models["gone"]
    assert "cannot be read" in models["loop"]
    assert "not a regular file" in models["model"]


def test_unreadable_files_are_listed_with_the_systems_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint(tmp_path / "model")
    (tmp_path / "secret.gguf").write_bytes(gguf_bytes())

    def refuse(path: Path, flags: Any, *args: Any) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    assert ["Permission denied" in (model.problem or "") for model in scan_folder(tmp_path, "test")] == [True, True]


def test_names_that_are_not_utf8_are_listed(tmp_path: Path) -> None:
    try:
        (tmp_path / os.fsdecode(b"caf\xe9.gguf")).write_bytes(gguf_bytes())
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert "not valid UTF-8" in (scan_one(tmp_path).problem or "")
