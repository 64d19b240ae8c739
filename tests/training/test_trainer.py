from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.training import trainer
from tests.support.hub_server import HubServer, serving
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "pytorch" / "demo-small"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    pairs = [{"instruction": f"What colour is box {n}?", "output": "blue"} for n in range(16)]
    (tmp_path / "pairs.json").write_text(json.dumps([*pairs, {"text": "?"}]), encoding="utf-8")
    return [
        *("--model_path", str(DEMO), "--data_path", str(tmp_path / "pairs.json")),
        *("--output_dir", str(tmp_path / "tuned"), "--batch_size", "4", "--epochs", "2"),
    ]


def run(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["trainer", *words])
    with pytest.raises(SystemExit) as exit_:
        trainer.main()
    return int(exit_.value.code or 0)


def test_it_says_what_was_learnt_what_was_left_out_and_where_the_model_is(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, words) == 0
    told = capfd.readouterr()
    assert told.out == f"{tmp_path / 'tuned'}\n"
    assert "learnt 16 answers" in told.err and "1 left out: it has none of" in told.err.replace("\n", " ")
    assert (tmp_path / "tuned" / "model.safetensors").is_file()


def test_what_is_left_out_is_said_before_the_first_step_and_counted_at_the_end(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, words) == 0
    said = " ".join(capfd.readouterr().err.split())
    before, _, after = said.partition("steps to go")
    assert "16 answers to learn" in before and "1 left out: it has none of" in before
    assert "learnt 16 answers" in after and ", 1 left out" in after


def test_a_loss_worse_than_chance_is_said_at_the_first_step_and_at_the_end(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Arbitrary characters in a random order: nobody can know them, and the demo model is sure of something else."""
    shuffled = random.Random(5)
    pairs = [
        {"instruction": f"Box {n}?", "output": "".join(shuffled.choices("§¶ÆØþðæøßŁłŊŋ", k=24))} for n in range(16)
    ]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    assert run(monkeypatch, [*words, "--learning_rate", "0.000000001"]) == 0
    said = " ".join(capfd.readouterr().err.split())
    first, _, last = said.partition("learnt 16 answers")
    for part in (first, last):
        found = re.search(r"loss of ([\d.]+) is .* among .* ([\d,]+) tokens \(([\d.]+)\)", part)
        assert found, part
        loss, vocabulary, chance = found.groups()
        assert float(loss) > float(chance) == pytest.approx(math.log(int(vocabulary.replace(",", ""))), abs=0.01)
    assert "does not know such text yet" in first
    assert "--learning_rate" in last


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_fetched_and_named_as_it_is_there(words: list[str], tmp_path: Path) -> None:
    """In a process of its own that has imported nothing: with torch, processes are told to keep off the network."""
    rows = "".join(json.dumps({"prompt": f"What colour is box {n}?", "completion": "blue"}) + "\n" for n in range(8))
    proxies = ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "HF_HUB_OFFLINE")
    environment = {name: value for name, value in os.environ.items() if name not in proxies}
    with serving(HubServer({"org/boxes": {"data/train.jsonl": rows.encode()}})) as hub:
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
        command = [sys.executable, "-m", "multi_llm_comparator.training.trainer", *words, "--data_path", "hf:org/boxes"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "learnt 8 answers" in " ".join(done.stderr.split())
    lineage = json.loads((tmp_path / "tuned" / "tuning.json").read_text(encoding="utf-8"))
    assert lineage["data_file"] == "org/boxes"


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (["--rank", "0"], 2, "rank must be at least 1, not 0"),
        (["--model_path", "nowhere"], 2, "not a checkpoint directory"),
        (["--data_path", "nowhere.json"], 2, "there is no such file or folder"),
        (["--epochs", "many"], 2, "--epochs"),
        (["--data", "x"], 2, "--data"),
        (["--ray", "http://10.0.0.5:8265"], 2, "is for jobs: give --as_job with it"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    change: list[str],
    code: int,
    said: str,
) -> None:
    assert run(monkeypatch, [*words, *change]) == code
    told = " ".join(capfd.readouterr().err.split())
    assert said in told and "Traceback" not in told


def interrupted(words: list[str], after: str) -> tuple[int, str]:
    """Exit code and what was said by a command that was sent Ctrl+C once it had said ``after``."""
    command = [warm_python(), "-m", "multi_llm_comparator.training.trainer", *words]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while after not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said = " ".join(process.stderr.read().split())
    return process.returncode, said


def test_ctrl_c_ends_the_step_and_the_same_command_goes_on(words: list[str], tmp_path: Path) -> None:
    code, said = interrupted([*words, "--epochs", "500"], after="2,000 of 2,000 steps to go")
    assert code == 130
    assert "of 2000; the same command resumes there" in said
    assert not (tmp_path / "tuned").exists()
    assert list((tmp_path / ".tuned.tuning").glob("checkpoint-*"))


def test_ctrl_c_before_the_first_step_ends_at_once_and_leaves_nothing(words: list[str], tmp_path: Path) -> None:
    code, said = interrupted(words, after="Loading")
    assert (code, "Traceback" in said) == (130, False)
    assert not list(tmp_path.glob("*tuned*"))
