"""The GGUF twins of the demo models: made once, made again when the checkpoint changes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from demo.prepare import prepare
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    write_checkpoint(tmp_path / "pytorch" / "demo-a", "llama", tokenizer)
    write_checkpoint(tmp_path / "pytorch" / "demo-b", "qwen2", tokenizer)
    return tmp_path


def test_every_demo_checkpoint_gets_three_twins_and_a_second_run_makes_none(models_dir: Path) -> None:
    wanted = {f"demo-{m}-{q}.gguf" for m in "ab" for q in ("F16", "Q8_0", "Q4_0")}
    assert {path.name for path in prepare(models_dir)} == wanted
    assert {path.name for path in (models_dir / "gguf").iterdir()} == wanted
    assert prepare(models_dir) == []


def test_a_changed_checkpoint_or_a_broken_twin_is_made_again(models_dir: Path) -> None:
    prepare(models_dir)
    config = models_dir / "pytorch" / "demo-a" / "generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"do_sample": False}))
    broken = models_dir / "gguf" / "demo-b-F16.gguf"
    broken.write_bytes(broken.read_bytes()[:1000])
    names = {path.name for path in prepare(models_dir)}
    assert names == {"demo-a-F16.gguf", "demo-a-Q8_0.gguf", "demo-a-Q4_0.gguf", "demo-b-F16.gguf"}


def test_it_says_what_is_missing_when_there_is_no_demo_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path) == []
    assert "make demo-models" in capsys.readouterr().out


def test_a_broken_checkpoint_ends_with_its_name_and_no_traceback(models_dir: Path) -> None:
    (models_dir / "pytorch" / "demo-a" / "model.safetensors").write_bytes(b"short")
    command = [sys.executable, "-m", "demo.prepare", "--models-dir", str(models_dir)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "model.safetensors" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_of_torch_is_imported(models_dir: Path) -> None:
    look = (
        "import sys; from pathlib import Path; from demo.prepare import prepare; prepare(Path(sys.argv[1]));"
        "print([m for m in ('torch', 'transformers', 'llama_cpp', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look, str(models_dir)], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
