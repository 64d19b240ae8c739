"""The command that measures one model."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.mlflow_log import local_uri
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    line = [warm_python(), "-m", "multi_llm_comparator.evaluation.runner", *words]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment})


@pytest.mark.slow
def test_it_prints_a_table_with_intervals_writes_every_item_and_tells_mlflow(tmp_path: Path) -> None:
    rows = [
        {"question": f"what is {a} + 2 ?", "choices": ["3", "5", "7"], "answer": i} for i, a in enumerate((1, 3, 5))
    ]
    questions = tmp_path / "sums.jsonl"
    questions.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    out = tmp_path / "out.json"
    model = ROOT / "models" / "gguf" / "demo-small-Q8_0.gguf"
    words = ("--model_path", str(model), "--tasks", str(questions), "--n_ctx", "256", "--output", str(out))
    done = command(*words, MLC_HOME=str(tmp_path), MLC_MLFLOW_URI="local")
    assert done.returncode == 0, done.stderr
    assert "sums_choice" in done.stdout and "scored" in done.stdout and " to " in done.stdout
    (task,) = json.loads(out.read_text(encoding="utf-8"))["tasks"]
    assert task["items"] == 3 and len(task["answers"][0]["answer"]["logprobs"]) == 3
    assert 0 <= task["interval_95"][0] <= task["right"] / 3 <= task["interval_95"][1] <= 1
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=local_uri(tmp_path))
    (told,) = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert (told.info.run_name, told.data.params["seed"]) == ("demo-small-Q8_0: sums", "1234")
    assert told.data.metrics["sums_choice"] == pytest.approx(task["right"] / 3)
    assert told.data.metrics["sums_choice/low"] == pytest.approx(task["interval_95"][0])


def test_a_wrong_path_and_a_wrong_task_are_named(tmp_path: Path) -> None:
    done = command("--model_path", str(tmp_path / "none"), "--tasks", "nolu", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "no task 'nolu'" in done.stderr and "Traceback" not in done.stderr
