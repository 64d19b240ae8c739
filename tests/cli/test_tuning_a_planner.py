"""Question-plan pairs that the command builds go into a trainer as they are, and out comes a planner that plans.

All of it is real: the demo models, the commands, and the way they stand in docs/fine-tuning.md.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from demo.composed import generate
from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.plans import parse_plan
from multi_llm_comparator.training import trainer
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(
    r"^```bash tuning\n\.venv/bin/python -m multi_llm_comparator\.training\.trainer(.*?)^```", re.MULTILINE | re.DOTALL
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the demo models and a data set; what is made there does not stay. Planner and helpers are GGUF
    files, which start sooner."""
    for kind, pattern in (("pytorch", "demo-planner"), ("gguf", "demo-*-F16.gguf")):
        (tmp_path / "models" / kind).mkdir(parents=True)
        for model in (ROOT / "models" / kind).glob(pattern):
            (tmp_path / "models" / kind / model.name).symlink_to(model)
    asked = [{"question": q.prompt, "answer": q.answer} for q in generate(11, 8, "heldout")]
    (tmp_path / "questions.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    return tmp_path


def plan(place: Path, *words: str, router: str, **dataset: object) -> subprocess.CompletedProcess[str]:
    config = {
        "models": {
            "small_model": "demo-small-F16",
            "large_model": "demo-large-F16",
            "router_model": router,
            "planner_prompt": "",
        },
        "system": {"result_after": "=", "aggregation": "last_step"},
        "query": "What is (2 + 43) + 8?",
        "dataset": dataset,
    }
    (place / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [warm_python(), "-m", "multi_llm_comparator.cli", "plan", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def tune_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    (words,) = COMMAND.findall((ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8"))
    monkeypatch.setattr(sys, "argv", ["trainer", *shlex.split(words.replace("\\\n", " "))])
    with pytest.raises(SystemExit) as exit_:
        trainer.main()
    assert not exit_.value.code


def test_a_planner_learns_from_the_pairs_as_they_are_and_plans(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = {"enabled": True, "use_models_for_execution": True}
    pairs_folder = "data_reports/pairs"
    built = plan(
        place, "--output", pairs_folder, router="demo-planner-F16", enabled=True, path="questions.json", build=build
    )
    assert f"trainer --data_path {pairs_folder}/planner_sft.jsonl" in " ".join(built.stderr.split())
    pairs = (place / pairs_folder / "planner_sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(pairs) > 4
    for line in pairs:
        parse_plan(json.loads(line)["messages"][-1]["content"])
    monkeypatch.chdir(place)
    tune_as_documented(monkeypatch)
    tuned = place / "models" / "pytorch" / "tuned-planner"
    before = (place / "models" / "pytorch" / "demo-planner" / "model.safetensors").read_bytes()
    assert (tuned / "model.safetensors").read_bytes() != before
    export_gguf(tuned, place / "models" / "gguf" / "tuned-planner-F16.gguf", "F16")
    assert plan(place, router="tuned-planner-F16").stdout.strip().endswith("53")
