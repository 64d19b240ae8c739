"""Which models see, told by their files: vision parts beside GGUF models, processors beside checkpoints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.memory_estimate import estimate_memory
from multi_llm_comparator.services.scan.folder import scan_folder
from multi_llm_comparator.services.scan.single import model_at
from tests.support.model_files import F32, LLAMA, gguf_bytes

WIDTH = 64
SEEING_TEMPLATE = "{% for part in content %}{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}"


def write_model(
    folder: Path, name: str, *, width: int = WIDTH, architecture: str = "llama", template: str = ""
) -> Path:
    metadata = {key.replace("llama.", f"{architecture}."): value for key, value in LLAMA.items()}
    metadata |= {"general.architecture": architecture, f"{architecture}.embedding_length": width}
    metadata |= {"tokenizer.chat_template": template} if template else {}
    path = folder / name
    path.write_bytes(gguf_bytes(metadata))
    return path


def write_projector(folder: Path, name: str, *, width: int = WIDTH) -> Path:
    metadata = {"general.architecture": "clip", "general.type": "mmproj", "clip.vision.projection_dim": width}
    path = folder / name
    path.write_bytes(gguf_bytes(metadata, [("mm.0.weight", (width, 8), F32)]))
    return path


def scanned(folder: Path) -> dict[str, ModelInfo]:
    return {model.name: model for model in scan_folder(folder, "test")}


def test_a_vision_part_beside_a_model_belongs_to_it_and_is_no_model_of_its_own(tmp_path: Path) -> None:
    write_model(tmp_path, "SmolVLM-Q8_0.gguf")
    projector = write_projector(tmp_path, "mmproj-SmolVLM-f16.gguf")

    (model,) = scan_folder(tmp_path, "test")

    assert model.config["sees_images"] is True
    assert model.config["projector"] == str(projector)
    assert model.is_loadable


def test_a_vision_part_alone_is_listed_with_what_it_is(tmp_path: Path) -> None:
    write_projector(tmp_path, "mmproj.gguf")

    (alone,) = scan_folder(tmp_path, "test")

    assert "vision part" in str(alone.problem)


def test_a_model_that_may_see_says_what_is_missing(tmp_path: Path) -> None:
    write_model(tmp_path, "one.gguf", template=SEEING_TEMPLATE)
    write_model(tmp_path, "two.gguf", architecture="qwen2vl")
    write_model(tmp_path, "three.gguf")

    found = scanned(tmp_path)

    for name in ("one", "two"):
        assert "sees_images" not in found[name].config
        assert any("mmproj" in warning for warning in found[name].config["warnings"])
    assert "warnings" not in found["three"].config


def test_a_vision_part_of_another_width_is_left_out_and_said(tmp_path: Path) -> None:
    write_model(tmp_path, "SmolVLM.gguf", template=SEEING_TEMPLATE)
    write_projector(tmp_path, "mmproj-SmolVLM.gguf", width=WIDTH + 8)

    (model,) = scan_folder(tmp_path, "test")

    assert "projector" not in model.config
    assert "another model" in model.config["warnings"][0]


def test_among_several_kinds_of_models_names_tell_whose_a_vision_part_is(tmp_path: Path) -> None:
    write_model(tmp_path, "Alpha-3B-Q4_0.gguf")
    write_model(tmp_path, "Beta-VL-Q4_0.gguf", architecture="qwen2vl")
    write_projector(tmp_path, "mmproj-Beta-VL-f16.gguf")

    found = scanned(tmp_path)

    assert "projector" not in found["Alpha-3B-Q4_0"].config
    assert found["Beta-VL-Q4_0"].config["projector"].endswith("mmproj-Beta-VL-f16.gguf")


def test_a_file_named_alone_finds_its_vision_part_too(tmp_path: Path) -> None:
    path = write_model(tmp_path, "model.gguf")
    write_projector(tmp_path, "mmproj-model.gguf")

    assert model_at(path).config["sees_images"] is True


def test_a_vision_part_takes_memory(tmp_path: Path) -> None:
    model = ModelInfo("m", "m", "m.gguf", ModelType.GGUF, 1000, {"weight_bytes": 1000})
    before = estimate_memory(model, LoadOptions(), "cpu").weights_bytes

    model.config["projector_bytes"] = 500

    assert estimate_memory(model, LoadOptions(), "cpu").weights_bytes == before + 500


@pytest.mark.parametrize("has_processor", [True, False])
def test_a_checkpoint_sees_with_its_processor(tmp_path: Path, *, has_processor: bool) -> None:
    text = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 10}
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "text_config": text,
        "vision_config": {"hidden_size": 8},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    if has_processor:
        (tmp_path / "preprocessor_config.json").write_text("{}")

    (model,) = scan_folder(tmp_path, "test")

    assert model.config["sees_images"] is has_processor
    assert ("preprocessor_config.json" in str(model.config.get("warnings"))) is not has_processor
