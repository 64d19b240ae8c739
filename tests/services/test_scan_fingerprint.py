from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.scan import fingerprint
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.support.model_files import checkpoint, gguf_bytes


def test_it_names_the_content_and_not_the_place(tmp_path: Path) -> None:
    for place in ("a", "b"):
        checkpoint(tmp_path / place / "model")
    first, second = scan_folder(tmp_path, "test")
    assert model_fingerprint(first) == model_fingerprint(second)
    assert model_fingerprint(first).startswith("sha256:")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_change_to_weights_or_companions_changes_it(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path / "model")
    (model,) = scan_folder(tmp_path, "test")
    before = model_fingerprint(model)
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content + b" ")
    assert model_fingerprint(model) != before


def test_large_files_are_sampled_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", 100)
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    (model,) = scan_folder(tmp_path, "test")
    before = model_fingerprint(model)
    assert before.startswith("sha256-sampled:")
    path.write_bytes(gguf_bytes()[:-1])
    assert model_fingerprint(model) != before


def test_a_file_that_is_gone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    (model,) = scan_folder(tmp_path, "test")
    path.unlink()
    with pytest.raises(ModelLoadError, match="cannot be read"):
        model_fingerprint(model)
