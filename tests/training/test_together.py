"""Several processes that tune one model together learn what one process does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.training.together import Place, share_of
from tests.support.warm_python import warm_python
from tests.training.tunings import DEMO, ROOT

LAUNCHED = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1")
CHOSEN = ("--mixed_precision", "no", "--dynamo_backend", "no", "--num_cpu_threads_per_process", "1")
# How far apart losses may be that are summed in another order, after some steps of learning.
TOLERANCE = 1e-4


@given(
    st.lists(st.integers(1, 300), min_size=1, max_size=24),
    st.integers(2, 5),
    st.sampled_from([0, 64, 512]),
)
def test_every_example_of_a_step_is_computed_by_one_process(lengths: list[int], count: int, max_tokens: int) -> None:
    numbers = [10 + number for number in range(len(lengths))]
    shares = [share_of(numbers, lengths, Place(n, count, n, count), max_tokens=max_tokens) for n in range(count)]
    assert Counter(number for share in shares for pack in share for number in pack) == Counter(numbers)
    loads = [sum(lengths[number - 10] for pack in share for number in pack) for share in shares]
    assert max(loads) - min(loads) <= max(lengths)
    for pack in (pack for share in shares for pack in share):
        assert len(pack) == 1 or sum(lengths[number - 10] for number in pack) <= max_tokens


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one_with_the_same_steps(tmp_path: Path) -> None:
    pairs = [{"prompt": f"Say {n}.", "completion": "yes, " * (n % 5) + f"{n}"} for n in range(24)]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    (tmp_path / "aside.json").write_text(json.dumps(pairs[:5]), encoding="utf-8")
    alone, together = _tuned(tmp_path, "alone"), _tuned(tmp_path, "together", *_launcher())
    assert [step for step, _ in alone["loss"]] == [step for step, _ in together["loss"]] == [1, 2, 3, 4, 5, 6]
    for name in ("loss", "validation_loss"):
        for (_, one), (_, two) in zip(alone[name], together[name], strict=True):
            assert one == pytest.approx(two, rel=TOLERANCE)
    assert alone["loss"][0][1] > 1.2 * alone["loss"][-1][1]


def _launcher() -> tuple[str, ...]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return (*LAUNCHED, *CHOSEN, "--main_process_port", str(probe.getsockname()[1]))


def _tuned(folder: Path, name: str, *launcher: str) -> dict[str, list[tuple[int, float]]]:
    """The curves that a tuned model's notes have, trained by the command in processes of its own."""
    words = ["--model_path", DEMO, "--data_path", folder / "pairs.json", "--output_dir", folder / name]
    words += ["--epochs", "2", "--batch_size", "8", "--learning_rate", "0.003", "--seed", "3"]
    words += ["--precision", "float32", "--validation_path", folder / "aside.json", "--evaluate_every", "3"]
    python = warm_python()
    command = [python, *launcher, "-m", "multi_llm_comparator.training.trainer", *map(str, words)]
    # What the launcher starts begins with its imports done, too.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHON_EXEC": python}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split() == [str(folder / name)]
    notes = json.loads((folder / name / "tuning.json").read_text(encoding="utf-8"))
    return {name: [(int(step), float(loss)) for step, loss in curve] for name, curve in notes["curves"].items()}
