"""The one way in: what a source can become, where it goes, and what is not written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.conversion.convert import canonical_target, convert, possible_targets, suggested_out
from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one checkpoint, and that as a GGUF file."""
    folder = tmp_path_factory.mktemp("models")
    write_checkpoint(folder / "tiny", "qwen2", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)
    export_gguf(folder / "tiny", folder / "tiny-F16.gguf")
    return folder


def found(models: Path, name: str) -> ModelInfo:
    notes: list[str] = []
    return next(model for model in scan_folder(models, "here", notes=notes) if Path(model.path).name == name)


def test_each_source_becomes_what_is_asked_for(models: Path, tmp_path: Path) -> None:
    quantized = convert(models / "tiny", tmp_path / "a.gguf", "q4_0")
    assert quantized.target == "Q4_0" and quantized.out.is_file()
    again = convert(quantized.out, tmp_path / "b.gguf", "Q8_0")
    assert again.target == "Q8_0" and again.size_bytes == again.out.stat().st_size
    folder = convert(again.out, tmp_path / "c", "PyTorch")
    assert folder.target == "bfloat16" and (folder.out / "config.json").is_file()


def test_what_is_there_is_replaced_only_when_that_is_allowed(models: Path, tmp_path: Path) -> None:
    out = convert(models / "tiny-F16.gguf", tmp_path / "made", "float32").out
    (out / "mark").write_text("")
    with pytest.raises(ConversionError, match="is there already"):
        convert(models / "tiny-F16.gguf", out, "float32")
    assert (out / "mark").exists()
    assert convert(models / "tiny-F16.gguf", out, "float32", overwrite=True).out == out
    assert not (out / "mark").exists() and (out / "config.json").is_file()
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_no_conversion_made_is_never_replaced(models: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "work").write_text("mine")
    for target in ("pytorch", "Q8_0"):
        with pytest.raises(ConversionError):
            convert(models / "tiny-F16.gguf", own, target, overwrite=True)
    assert (own / "work").read_text() == "mine"


def test_what_makes_no_sense_is_said(models: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="must be one of"):
        convert(models / "tiny", tmp_path / "x", "Q3")
    with pytest.raises(InvalidParameterError, match="already"):
        convert(models / "tiny", tmp_path / "x", "pytorch")
    with pytest.raises(UnsupportedModelError, match="larger"):
        convert(models / "tiny-F16.gguf", tmp_path / "x.gguf", "F32")
    assert list(tmp_path.iterdir()) == []


def test_what_a_model_can_become_is_known_from_its_headers(models: Path) -> None:
    assert {"F16", "Q4_K_M"} <= set(possible_targets(found(models, "tiny")))
    assert "bfloat16" not in possible_targets(found(models, "tiny"))
    assert {"bfloat16", "Q4_0"} <= set(possible_targets(found(models, "tiny-F16.gguf")))
    assert "F16" not in possible_targets(found(models, "tiny-F16.gguf"))
    broken = found(models, "tiny")
    broken.config["problem"] = "no tokenizer"
    assert possible_targets(broken) == ()
    foreign = found(models, "tiny-F16.gguf")
    foreign.config["architecture"] = "gemma3"
    assert "bfloat16" not in possible_targets(foreign) and "Q8_0" in possible_targets(foreign)


def test_names_tell_what_was_lost_before(models: Path, tmp_path: Path) -> None:
    home = Path("models")
    assert suggested_out(models / "tiny", "Q8_0", home) == home / "gguf" / "tiny-Q8_0.gguf"
    assert suggested_out(models / "tiny-F16.gguf", "Q8_0", home) == home / "gguf" / "tiny-Q8_0.gguf"
    assert suggested_out(models / "tiny-F16.gguf", "pytorch", home) == home / "pytorch" / "tiny"
    small = convert(models / "tiny-F16.gguf", tmp_path / "tiny.Q4_1.gguf", "Q4_1").out
    assert suggested_out(small, "Q8_0", home) == home / "gguf" / "tiny-Q8_0-from-Q4_1.gguf"
    assert suggested_out(small, "pytorch", home) == home / "pytorch" / "tiny-from-Q4_1"
    assert suggested_out(small, "float32", home) == home / "pytorch" / "tiny-float32-from-Q4_1"


def test_targets_are_found_whatever_their_case() -> None:
    assert [canonical_target(name) for name in ("pytorch", "q4_k_m", "BF16")] == ["bfloat16", "Q4_K_M", "BF16"]
