"""``llm-cooperation convert`` as a person types it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint
from tests.support.typed_command import typed
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
DONE, FAILED, WRONG = 0, 1, 2


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    tokenizer = byte_level_tokenizer(QWEN2_SPLIT)
    write_checkpoint(folder / "models" / "pytorch" / "tiny", "llama", tokenizer, num_hidden_layers=1)
    return folder


def convert(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [warm_python(), "-m", "multi_llm_comparator.cli", "convert", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLC_HOME": str(place / "home")}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False)


def test_a_model_goes_there_and_back_by_name_and_by_path(place: Path) -> None:
    there = convert(place, "tiny", "--to", "Q4_K_M")
    assert there.returncode == DONE, there.stderr
    made = place / "models" / "gguf" / "tiny-Q4_K_M.gguf"
    assert made.is_file() and "fell back to Q5_0" in there.stdout and "MB" in there.stdout
    back = convert(place, str(made), "back")
    assert back.returncode == DONE, back.stderr
    assert (place / "back" / "model.safetensors").is_file()
    assert convert(place, str(made), "small-Q4_0.gguf").returncode == DONE


def test_what_is_there_is_kept_unless_told_otherwise(place: Path) -> None:
    (place / "there-Q8_0.gguf").write_text("mine")
    refused = convert(place, "models/pytorch/tiny", "there-Q8_0.gguf")
    assert refused.returncode == FAILED and "is there already" in refused.stderr
    assert (place / "there-Q8_0.gguf").read_text() == "mine"
    assert convert(place, "models/pytorch/tiny", "there-Q8_0.gguf", "--overwrite").returncode == DONE


def test_wrong_use_is_told_in_one_line_without_a_traceback(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for words, text in (
        (("nothing-like-it", "x-Q8_0.gguf"), "nothing-like-it"),
        (("tiny", "x.gguf"), "--to"),
        (("tiny", "--to", "Q3"), "Q4_K_M"),
        (("tiny", "x"), "checkpoint already"),
    ):
        code, _, said = typed(monkeypatch, capfd, place, "convert", *words)
        assert code == WRONG and text in said and "Traceback" not in said, words
