"""Tuning the demo model for real: it takes seconds on a CPU."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from multi_llm_comparator.conversion.checkpoint_files import CheckpointFiles
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    InvalidParameterError,
    ModelLoadError,
    RunAtWorkError,
    TrainingError,
    UnsupportedModelError,
)
from multi_llm_comparator.inferencers.pytorch_inferencer import PyTorchInferencer
from multi_llm_comparator.training import lora, tuning_watch
from multi_llm_comparator.training.tuning_loop import TuningLoop
from tests.training.tunings import DEMO, PAIRS, Told, tune

ROOT = Path(__file__).parents[2]
ANSWER = "blue"
STEPS = 8


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.json"
    path.write_text(json.dumps(PAIRS), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "models" / "tuned"


def work_folder(out: Path) -> Path:
    return out.with_name(f".{out.name}.tuning")


def test_a_tuned_model_gives_the_answers_it_was_taught(data: Path, out: Path) -> None:
    before = {file.name: file.read_bytes() for file in DEMO.iterdir()}
    told = Told()
    result = tune(data, out, told, epochs=20, learning_rate=5e-3, batch_size=8)
    assert (result.is_done, result.step, result.steps, result.start.answers) == (True, 40, 40, 16)
    assert result.first_loss is not None and result.last_loss is not None and result.last_loss < result.first_loss / 4
    assert [step for step, _ in told.curve("loss")] == list(range(1, 41))
    assert told.told_steps[-1].left_s == 0
    inferencer = PyTorchInferencer()
    inferencer.load_model(str(out), {"temperature": 0, "max_tokens": 8})
    assert "".join(inferencer.generate_stream("What colour is box 77?")) == ANSWER
    assert {file.name: file.read_bytes() for file in DEMO.iterdir()} == before
    assert not work_folder(out).exists()


def test_everything_but_the_weights_is_as_it_was(data: Path, out: Path) -> None:
    tune(data, out)
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (out / name).read_bytes() == (DEMO / name).read_bytes()
    old, new = load_file(DEMO / "model.safetensors"), load_file(out / "model.safetensors")
    assert {n: (t.shape, t.dtype) for n, t in old.items()} == {n: (t.shape, t.dtype) for n, t in new.items()}
    notes = json.loads((out / "tuning.json").read_text(encoding="utf-8"))
    assert (notes["base"], notes["steps"], len(notes["losses"])) == ("demo-small", STEPS, STEPS)
    assert str(data.parent) not in json.dumps(notes)


def test_a_stopped_tuning_goes_on_and_ends_as_if_it_had_not_been_stopped(data: Path, out: Path, tmp_path: Path) -> None:
    stopped = tune(data, out, Told(stops_at=3))
    assert (stopped.is_done, stopped.step, stopped.steps) == (False, 3, STEPS)
    assert work_folder(out).is_dir() and not out.exists()
    told = Told()
    result = tune(data, out, told)
    assert result.is_done and [step for step, _ in told.curve("loss")] == list(range(4, STEPS + 1))
    tune(data, tmp_path / "whole")
    in_parts, whole = (load_file(folder / "model.safetensors") for folder in (out, tmp_path / "whole"))
    for name, tensor in whole.items():
        torch.testing.assert_close(in_parts[name], tensor)


def test_other_options_are_another_tuning(data: Path, out: Path) -> None:
    tune(data, out, Told(stops_at=1))
    with pytest.raises(ConfigurationError, match=r"options\.rank"):
        tune(data, out, rank=4)


def test_nobody_else_tunes_into_the_same_folder(data: Path, out: Path) -> None:
    tune(data, out, Told(stops_at=1))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        path = work_folder(out) / "worker.json"
        worker = json.loads(path.read_text(encoding="utf-8"))
        began = psutil.Process(other.pid).create_time()
        path.write_text(json.dumps({**worker, "pid": other.pid, "began_at": began}), encoding="utf-8")
        with pytest.raises(RunAtWorkError, match=str(other.pid)):
            tune(data, out)
        other.kill()


def test_what_is_there_is_not_written_over(data: Path, out: Path, tmp_path: Path) -> None:
    out.mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in (out, tmp_path / "link", out / "new" / ".."):
        with pytest.raises(ConfigurationError, match="is there already"):
            tune(data, there)


def test_what_another_process_made_meanwhile_is_left_and_learnt_anew_by_nobody(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fingerprint = CheckpointFiles.fingerprint

    def meanwhile(files: CheckpointFiles) -> str:
        out.mkdir(parents=True)
        return fingerprint(files)

    monkeypatch.setattr(CheckpointFiles, "fingerprint", meanwhile)
    with pytest.raises(ConfigurationError, match="is there already"):
        tune(data, out, Told(then=lambda step: pytest.fail("it was learnt")))
    assert not work_folder(out).exists()


def test_a_model_that_could_not_be_written_needs_no_learning_again(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(lora, "write_checkpoint", full)
        with pytest.raises(TrainingError, match="No space left"):
            tune(data, out)
    told = Told()
    assert tune(data, out, told).is_done
    assert (told.curve("loss"), told.told_steps[-1].done) == ([], STEPS)


def test_a_folder_that_came_in_the_way_costs_no_learning(data: Path, out: Path) -> None:
    def in_the_way(step: int) -> None:
        if step == STEPS:
            out.mkdir()

    with pytest.raises(TrainingError, match="is there by now"):
        tune(data, out, Told(then=in_the_way))
    out.rmdir()
    told = Told()
    assert tune(data, out, told).is_done
    assert told.curve("loss") == []
    assert not work_folder(out).exists()


def test_a_damaged_checkpoint_is_named_with_what_to_do(data: Path, out: Path) -> None:
    tune(data, out, Told(stops_at=1))
    (work_folder(out) / "checkpoint-1" / "optimizer.pt").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"checkpoint-1.* cannot be read.*delete .* to begin anew"):
        tune(data, out)


def test_a_name_that_is_no_text_is_refused_with_what_to_do(data: Path, out: Path, tmp_path: Path) -> None:
    odd = data.rename(tmp_path / os.fsdecode(b"d\xff.json"))
    with pytest.raises(InvalidParameterError, match=r"data\.source must be readable as text; rename"):
        tune(odd, out)


def test_the_licence_is_kept(data: Path, out: Path, tmp_path: Path) -> None:
    licensed = tmp_path / "licensed"
    shutil.copytree(DEMO, licensed)
    (licensed / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Fine\n", encoding="utf-8")
    tune(data, out, model=licensed, epochs=1)
    assert json.loads((out / "tuning.json").read_text(encoding="utf-8"))["data_file"] == data.name
    assert CheckpointFiles(out).licence == "apache-2.0"


def test_a_tokenizer_of_another_model_is_refused(data: Path, out: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(DEMO, mixed)
    config = json.loads((mixed / "config.json").read_text(encoding="utf-8"))
    (mixed / "config.json").write_text(json.dumps({**config, "vocab_size": 100}), encoding="utf-8")
    weights = load_file(mixed / "model.safetensors")
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"][:100].clone()
    config.update(vocab_size=100, eos_token_id=1, pad_token_id=0)
    (mixed / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file(weights, mixed / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UnsupportedModelError, match="do not belong together"):
        tune(data, out, model=mixed)


def test_a_tokenizer_without_end_and_padding_tokens_will_do(data: Path, out: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(DEMO, bare)
    path = bare / "tokenizer_config.json"
    settings = {**json.loads(path.read_text(encoding="utf-8")), "eos_token": None, "pad_token": None}
    path.write_text(json.dumps(settings), encoding="utf-8")
    assert tune(data, out, model=bare, epochs=1).is_done


def test_a_chat_beyond_the_context_is_left_out_and_told(data: Path, out: Path) -> None:
    data.write_text(json.dumps([*PAIRS, {"prompt": "x " * 3000, "completion": ANSWER}]), encoding="utf-8")
    told = Told()
    result = tune(data, out, told, epochs=1)
    assert (result.start.answers, result.start.left_out) == (16, 1)
    assert "1 left out" in told.notes and "longer than 1024 tokens" in told.notes
    with pytest.raises(DocumentError, match=r"nothing to learn from: 17 left out: longer than 8 tokens"):
        tune(data, out.with_name("other"), max_tokens=8)


def test_a_loss_that_is_no_number_ends_it_with_advice(data: Path, out: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(DEMO, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("inf")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match="lower the learning rate"):
        tune(data, out, model=broken)
    assert not out.exists() and not work_folder(out).exists()


def test_memory_that_runs_out_is_told_with_advice(data: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(_: TuningLoop) -> bool:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patch, pytest.raises(TrainingError, match="lower pack_tokens"):
        patch.setattr(TuningLoop, "run", run)
        tune(data, out)
    # ... which is then possible.
    assert tune(data, out, batch_size=2, epochs=0.5).is_done


def test_memory_that_runs_out_in_mid_run_keeps_what_was_learnt_and_the_rest_is_learnt_later(
    data: Path, out: Path
) -> None:
    def at(step: int) -> None:
        if step >= 4:
            torch.empty(2**50, dtype=torch.uint8)

    with pytest.raises(TrainingError, match=r"what it learnt in 4 steps is kept\. To go on, lower pack_tokens"):
        tune(data, out, Told(then=at), batch_size=2)
    told = Told()
    assert tune(data, out, told, batch_size=2).is_done
    assert told.curve("loss")[0][0] > 4


def test_memory_beyond_the_limit_ends_a_tuning_with_the_numbers(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_watch, "work_limit_bytes", lambda: 1_000_000)
    monkeypatch.setattr(tuning_watch, "WATCH_EVERY_S", 0.0)
    with pytest.raises(TrainingError, match=r"the tuning used [\d.]+ [MG]B of at most 1.0 MB .*lower pack_tokens"):
        tune(data, out)
    assert not out.exists()
    monkeypatch.undo()
    told = Told()
    assert tune(data, out, told, pack_tokens=64, checkpointing=True).is_done
    assert told.curve("loss")[0][0] == 2


def test_what_is_no_model_or_quantised_is_refused(data: Path, out: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="not a checkpoint directory"):
        tune(data, out, model=tmp_path / "none")
    quantised = tmp_path / "quantised"
    shutil.copytree(DEMO, quantised)
    config = json.loads((quantised / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    (quantised / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match="is quantised"):
        tune(data, out, model=quantised)
