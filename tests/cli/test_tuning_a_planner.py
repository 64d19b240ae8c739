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
from multi_llm_comparator.plans import parse_plan

ROOT = Path(__file__).parents[2]
COMMAND = re.compile(r"^```bash tuning\n\.venv/bin/python (.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path):
    """A folder with the demo checkpoints and a data set; what is made there does not stay."""
    checkpoints = tmp_path / "models" / "pytorch"
    checkpoints.mkdir(parents=True)
    (checkpoints / "demo-planner").symlink_to(ROOT / "models" / "pytorch" / "demo-planner")
    # Its helpers in the engine that starts sooner.
    (tmp_path / "models" / "gguf").symlink_to(ROOT / "models" / "gguf")
    asked = [{"question": q.prompt, "answer": q.answer} for q in generate(11, 8, "heldout")]
    (tmp_path / "questions.json").write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLC_SPARE_PROCESS": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, *words], cwd=place, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


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
    return run(place, "-m", "multi_llm_comparator.cli", "plan", *words)


def test_a_planner_learns_from_the_pairs_as_they_are_and_plans(place):
    build = {"enabled": True, "use_models_for_execution": True}
    built = plan(
        place, "--output", "data_reports/pairs", router="demo-planner", enabled=True, path="questions.json", build=build
    )
    assert "trainer --data_path data_reports/pairs/planner_sft.jsonl" in " ".join(built.stderr.split())
    pairs = (place / "data_reports" / "pairs" / "planner_sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(pairs) > 4
    for line in pairs:
        parse_plan(json.loads(line)["messages"][-1]["content"])
    (command,) = COMMAND.findall((ROOT / "docs" / "fine-tuning.md").read_text(encoding="utf-8"))
    run(place, *shlex.split(command.replace("\\\n", " ")))
    before = (place / "models" / "pytorch" / "demo-planner" / "model.safetensors").read_bytes()
    assert (place / "models" / "pytorch" / "tuned-planner" / "model.safetensors").read_bytes() != before
    assert plan(place, router="tuned-planner").stdout.strip().endswith("53")
