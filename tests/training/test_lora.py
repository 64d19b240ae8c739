"""Tuning the demo model for real: it takes seconds on a CPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    ModelLoadError,
    RunAtWorkError,
    TrainingError,
    UnsupportedModelError,
)
from multi_llm_comparator.inferencers.pytorch_inferencer import PyTorchInferencer
from multi_llm_comparator.training.lora import tune
from multi_llm_comparator.training.tuning_loop import TuningLoop
from multi_llm_comparator.training.tuning_options import TuningOptions, TuningProgress

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "pytorch" / "demo-small"
ANSWER = "blue"
PAIRS = [{"prompt": f"What colour is box {n}?", "completion": ANSWER} for n in range(16)]
QUICK = TuningOptions(epochs=2, batch_size=4)
STEPS = 8


@pytest.fixture
def data(tmp_path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(PAIRS), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "models" / "tuned"


def work_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.tuning")


def test_a_tuned_model_gives_the_answers_it_was_taught(data, out):
    before = {file.name: file.read_bytes() for file in DEMO.iterdir()}
    told: list[TuningProgress] = []
    result = tune(DEMO, data, out, TuningOptions(epochs=20, learning_rate=5e-3), on_progress=told.append)
    assert (result.is_done, result.step, result.steps, result.answers) == (True, 40, 40, 16)
    assert result.first_loss is not None and result.last_loss is not None and result.last_loss < result.first_loss / 4
    assert [t.step for t in told] == list(range(41))
    assert told[0].seconds_left is None and told[-1].seconds_left == 0
    inferencer = PyTorchInferencer()
    inferencer.load_model(str(out), {"temperature": 0, "max_tokens": 8})
    assert "".join(inferencer.generate_stream("What colour is box 77?")) == ANSWER
    assert {file.name: file.read_bytes() for file in DEMO.iterdir()} == before
    assert not work_folder(out).exists()


def test_everything_but_the_weights_is_as_it_was(data, out):
    tune(DEMO, data, out, QUICK)
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (DEMO / name).read_bytes()
    old, new = load_file(DEMO / "model.safetensors"), load_file(out / "model.safetensors")
    assert {n: (t.shape, t.dtype) for n, t in old.items()} == {n: (t.shape, t.dtype) for n, t in new.items()}
    notes = json.loads((out / "tuning.json").read_text(encoding="utf-8"))
    assert (notes["base"], notes["steps"], len(notes["losses"])) == ("demo-small", STEPS, STEPS)
    assert str(data.parent) not in json.dumps(notes)


def test_a_stopped_tuning_goes_on_and_ends_as_if_it_had_not_been_stopped(data, out, tmp_path):
    steps: list[int] = []
    stopped = tune(
        DEMO, data, out, QUICK, on_progress=lambda told: steps.append(told.step), is_stopped=lambda: steps[-1] == 3
    )
    assert (stopped.is_done, stopped.step, stopped.steps) == (False, 3, STEPS)
    assert work_folder(out).is_dir() and not out.exists()
    steps.clear()
    result = tune(DEMO, data, out, QUICK, on_progress=lambda told: steps.append(told.step))
    assert result.is_done and steps == list(range(3, STEPS + 1))
    tune(DEMO, data, tmp_path / "whole", QUICK)
    in_parts, whole = (load_file(folder / "model.safetensors") for folder in (out, tmp_path / "whole"))
    for name, tensor in whole.items():
        torch.testing.assert_close(in_parts[name], tensor)


KILLED = """
import os, signal, sys
from multi_llm_comparator.training import tuning_loop
from multi_llm_comparator.training.lora import tune
from tests.training.test_lora import DEMO, QUICK

tuning_loop.CHECKPOINT_EVERY_S = 0.0

def die(told):
    if told.step == 5:
        os.kill(os.getpid(), signal.SIGKILL)

tune(DEMO, sys.argv[1], sys.argv[2], QUICK, on_progress=die)
"""


def test_a_killed_tuning_goes_on_from_its_last_whole_checkpoint(data, out):
    subprocess.run([sys.executable, "-c", KILLED, str(data), str(out)], cwd=ROOT, check=False)
    (last,) = [json.loads(p.read_text(encoding="utf-8"))["step"] for p in work_folder(out).glob("last_*.json")]
    assert last == 4
    # Half of a later one, as a process that dies while it writes leaves it.
    (work_folder(out) / "checkpoint-6").mkdir()
    steps: list[int] = []
    assert tune(DEMO, data, out, QUICK, on_progress=lambda told: steps.append(told.step)).is_done
    assert steps == list(range(4, STEPS + 1))


def test_other_options_are_another_tuning(data, out):
    tune(DEMO, data, out, QUICK, is_stopped=lambda: True)
    with pytest.raises(ConfigurationError, match=r"options\.rank"):
        tune(DEMO, data, out, replace(QUICK, rank=4))


def test_nobody_else_tunes_into_the_same_folder(data, out):
    tune(DEMO, data, out, QUICK, is_stopped=lambda: True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        path = work_folder(out) / "worker.json"
        worker = json.loads(path.read_text(encoding="utf-8"))
        began = psutil.Process(other.pid).create_time()
        path.write_text(json.dumps({**worker, "pid": other.pid, "began_at": began}), encoding="utf-8")
        with pytest.raises(RunAtWorkError, match=str(other.pid)):
            tune(DEMO, data, out, QUICK)
        other.kill()


def test_what_is_there_is_not_written_over(data, out):
    out.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="is there already"):
        tune(DEMO, data, out, QUICK)


def test_a_chat_beyond_the_context_is_left_out_and_told(data, out):
    data.write_text(json.dumps([*PAIRS, {"prompt": "x " * 3000, "completion": ANSWER}]), encoding="utf-8")
    result = tune(DEMO, data, out, replace(QUICK, epochs=1))
    (reason,) = result.left_out
    assert (reason.why, reason.count) == ("longer than 1024 tokens", 1)
    with pytest.raises(DocumentError, match=r"nothing that .* can learn: 17 left out: longer than 8 tokens"):
        tune(DEMO, data, out.with_name("other"), replace(QUICK, max_tokens=8))


def test_a_loss_that_is_no_number_ends_it_with_advice(data, out, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(DEMO, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("inf")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="lower the learning rate"):
        tune(broken, data, out, QUICK)
    assert not out.exists() and not work_folder(out).exists()


def test_memory_that_runs_out_is_told_with_advice(data, out, monkeypatch):
    def run(_: TuningLoop) -> bool:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(TuningLoop, "run", run)
    with pytest.raises(TrainingError, match="lower batch_size"):
        tune(DEMO, data, out, QUICK)


def test_what_is_no_model_or_quantised_is_refused(data, out, tmp_path):
    with pytest.raises(ModelLoadError, match="not a checkpoint directory"):
        tune(tmp_path / "none", data, out, QUICK)
    quantised = tmp_path / "quantised"
    shutil.copytree(DEMO, quantised)
    config = json.loads((quantised / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (quantised / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match="is quantised"):
        tune(quantised, data, out, QUICK)
