"""What `make clean` takes away of the models folder, and what it leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from demo.clean import clean
from demo.prepare import prepare
from multi_llm_comparator.conversion.first_forms import form_path
from multi_llm_comparator.services.first_model import PackagedModel
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint

FETCHED = b"as it was fetched"
MODEL = PackagedModel(
    "Tiny", "tiny==1.0", "0" * 64, 1, "tiny/Tiny.Q4_1.gguf", hashlib.sha256(FETCHED).hexdigest(), len(FETCHED)
)


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "pytorch" / "demo-a", "llama", byte_level_tokenizer(QWEN2_SPLIT))
    prepare(tmp_path)
    MODEL.path(tmp_path).write_bytes(FETCHED)
    for kind in ("pytorch", "gguf"):
        (tmp_path / kind / "README.md").write_text("put yours here")
    return tmp_path


def test_what_was_made_and_fetched_goes_and_the_rest_stays(models_dir: Path) -> None:
    (models_dir / "gguf" / "mine.gguf").write_bytes(b"my own")
    assert {path.name for path in clean(models_dir, MODEL)} == {
        "demo-a-F16.gguf",
        "demo-a-Q8_0.gguf",
        "demo-a-Q4_0.gguf",
        "Tiny.Q4_1.gguf",
    }
    assert {path.name for path in (models_dir / "gguf").iterdir()} == {"README.md", "mine.gguf"}
    assert {path.name for path in (models_dir / "pytorch").iterdir()} == {"README.md", "demo-a"}


def test_files_of_such_names_that_hold_something_else_stay(models_dir: Path) -> None:
    own = [MODEL.path(models_dir), form_path(models_dir, "Q8_0", MODEL), models_dir / "gguf" / "demo-a-F16.gguf"]
    for path in own:
        path.write_bytes(b"my own")
    (models_dir / "pytorch" / "Tiny").mkdir()
    clean(models_dir, MODEL)
    assert all(path.exists() for path in (*own, models_dir / "pytorch" / "Tiny"))
