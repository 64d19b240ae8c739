"""Killed at any moment and resumed, a tuning ends in the same adapter, to the bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from multi_llm_comparator.training import lora
from multi_llm_comparator.training.tuning_options import TuningOptions
from tests.support.warm_python import warm_python
from tests.training.tunings import PAIRS, ROOT, Told, options_for

TUNES = """
import os, signal, sys
from pathlib import Path
from multi_llm_comparator.training import lora, tuning_watch
from tests.training.test_resume import options_of
from tests.support.warm_python import warm_python
from tests.training.tunings import Told

tuning_watch.CHECKPOINT_EVERY_S = 0.0
folder, killed_at = Path(sys.argv[1]), int(sys.argv[2])

def at(step):
    if step == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)

lora.tune(options_of(folder), folder / "work", Told(then=at), adapter=folder / "adapter")
"""


def options_of(folder: Path) -> TuningOptions:
    """With everything that has a state: dropout, accumulation, a schedule, validation, the best one kept."""
    return options_for(
        folder / "pairs.json",
        epochs=4,
        batch_size=2,
        accumulation=2,
        dropout=0.2,
        weight_decay=0.01,
        learning_rate=5e-3,
        validation_share=0.2,
        evaluate_every=3,
    )


def tuned(folder: Path, killed_at: int = 0) -> int:
    folder.mkdir(exist_ok=True)
    (folder / "pairs.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [warm_python(), "-c", TUNES, str(folder), str(killed_at)]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True).returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    folder = tmp_path_factory.mktemp("whole")
    assert tuned(folder) == 0
    return load_file(folder / "adapter" / "adapter_model.safetensors")


def test_killed_at_a_random_step_and_resumed_the_adapter_is_the_same_to_the_bit(
    whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    step = random.SystemRandom().randint(2, 11)
    assert tuned(tmp_path, step) == -9, step
    work = tmp_path / "work"
    assert json.loads((work / "last_checkpoint.json").read_text())["step"] == step - 1
    # Half of later ones, as a process that dies while it writes leaves them.
    for name in (f"checkpoint-{step}", "checkpoint-11", ".best-11.part", "best-11"):
        (work / name).mkdir(exist_ok=True)
    assert tuned(tmp_path) == 0
    found = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in whole.items()), step


def test_a_best_adapter_that_is_gone_is_said_and_the_last_one_taken(tmp_path: Path) -> None:
    tmp_path.joinpath("pairs.json").write_text(json.dumps(PAIRS), encoding="utf-8")
    # A rate that soon ruins what was learnt, so that the best one is not the last.
    options = options_of(tmp_path).changed(learning_rate=1.0, schedule="constant", epochs=1)
    told = Told()

    def spoil(step: int) -> None:
        for folder in (tmp_path / "work").glob("best-*"):
            (folder / "adapter_model.safetensors").write_bytes(b"half")

    told._then = spoil
    result = lora.tune(options, tmp_path / "work", told, adapter=tmp_path / "adapter")
    assert result.is_done and result.state.best_step != result.step
    assert "the best one, cannot be read" in told.notes
    assert (tmp_path / "adapter" / "adapter_model.safetensors").is_file()


def test_gradients_of_a_step_do_not_depend_on_how_it_is_divided(tmp_path: Path) -> None:
    """One pass over eight answers, eight passes over one each, and anything between: rows of very different length."""
    texts = ["yes", "no, and that at some length, so that it weighs more", "maybe"] * 3
    rows = [{"prompt": f"Is it {n}?", "completion": text} for n, text in enumerate(texts[:8])]
    (tmp_path / "pairs.json").write_text(json.dumps(rows), encoding="utf-8")
    found = []
    for number, changes in enumerate(
        (
            {"batch_size": 8, "accumulation": 1},
            {"batch_size": 1, "accumulation": 8},
            {"batch_size": 1, "accumulation": 8, "packing": False},
            {"batch_size": 8, "accumulation": 1, "pack_tokens": 64},
            {"batch_size": 8, "accumulation": 1, "checkpointing": True},
        )
    ):
        told = Told()
        options = options_for(tmp_path / "pairs.json", epochs=1, **changes)  # type: ignore[arg-type]
        lora.tune(options, tmp_path / f"work{number}", told, adapter=tmp_path / f"adapter{number}")
        assert len(told.curve("loss")) == 1
        found.append((told.curve("loss")[0][1], told.curve("gradient_norm")[0][1]))
    for loss, norm in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        assert norm == pytest.approx(found[0][1], rel=1e-4)
