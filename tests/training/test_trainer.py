from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.training import trainer

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "pytorch" / "demo-small"


@pytest.fixture
def words(tmp_path) -> list[str]:
    pairs = [{"instruction": f"What colour is box {n}?", "output": "blue"} for n in range(16)]
    (tmp_path / "pairs.json").write_text(json.dumps([*pairs, {"text": "?"}]), encoding="utf-8")
    return [
        *("--model_path", str(DEMO), "--data_path", str(tmp_path / "pairs.json")),
        *("--output_dir", str(tmp_path / "tuned"), "--batch_size", "4", "--epochs", "2"),
    ]


def run(monkeypatch, words: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *words])
    with pytest.raises(SystemExit) as exit_:
        trainer.main()
    return int(exit_.value.code or 0)


def test_it_says_what_was_learnt_what_was_left_out_and_where_the_model_is(words, tmp_path, monkeypatch, capfd):
    assert run(monkeypatch, words) == 0
    told = capfd.readouterr()
    assert told.out == f"{tmp_path / 'tuned'}\n"
    assert "learnt 16 answers" in told.err and "1 left out: it has none of" in told.err.replace("\n", " ")
    assert (tmp_path / "tuned" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--rank", "0"], 2, "rank must be 1 to 1024"),
        (["--model_path", "nowhere"], 2, "not a checkpoint directory"),
        (["--data_path", "nowhere.json"], 2, "cannot read 'nowhere.json'"),
        (["--epochs", "many"], 2, "--epochs"),
        (["--data", "x"], 2, "--data"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(words, monkeypatch, capfd, change, code, said):
    assert run(monkeypatch, [*words, *change]) == code
    told = " ".join(capfd.readouterr().err.split())
    assert said in told and "Traceback" not in told


def test_ctrl_c_stops_and_the_same_command_goes_on(words, tmp_path, monkeypatch, capfd):
    command = [sys.executable, "-m", "multi_llm_comparator.training.trainer", *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "Loading" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        said = " ".join(process.stderr.read().split())
    assert process.returncode == 130
    assert "stopped after step 1 of 8; the same command goes on" in said
    assert not (tmp_path / "tuned").exists()
    assert run(monkeypatch, words) == 0
    assert (tmp_path / "tuned").is_dir()
