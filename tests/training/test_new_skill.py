"""The whole way: a job that teaches a skill, is stopped, killed and resumed, and does not cost the old ones; what comes
out is exported, and asked beside its base."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from multi_llm_comparator.conversion.convert import convert
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.evaluation.export_check import check_files
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.spec import make_spec
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.folder import scan_folder
from tests.training.new_skill import Pair, new_skill, old_skills, share_right, write
from tests.training.tunings import DEMO, ROOT, options_for

pytestmark = pytest.mark.slow
PATIENCE_S = 900.0


def lines(folder: Path, kind: str) -> list[dict[str, object]]:
    file = folder / "events.jsonl"
    if not file.is_file():
        return []
    told = [line for line in file.read_text(encoding="utf-8").split("\n")[:-1] if line]
    return [event for line in told if (event := json.loads(line))["event"] == kind]


def run_until(folder: Path, step: int | None, number: int = 0) -> int:
    """Run the job, or resume it; send it a signal once it has told a loss of that step or a later one."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "multi_llm_comparator.jobs.run", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + PATIENCE_S
        while step is not None and process.poll() is None and time.monotonic() < until:
            if any(point["series"] == "loss" and int(str(point["step"])) >= step for point in lines(folder, "point")):
                process.send_signal(number)
                break
            time.sleep(0.05)
        return process.wait(PATIENCE_S)


def test_a_skill_is_learnt_by_a_job_that_was_stopped_and_killed_and_old_ones_stay(tmp_path: Path) -> None:
    learnt, held_out = new_skill(1)
    old = old_skills(5, 240, held_out=True)
    before = share_right(DEMO, held_out), share_right(DEMO, old)
    assert before[0] < 0.1
    data = write(tmp_path / "pairs.json", [*learnt, *old_skills(6, 1000, held_out=False)])
    options = options_for(
        data,
        tmp_path / "tuned",
        epochs=3,
        learning_rate=3e-3,
        batch_size=16,
        targets=("q_proj", "k_proj", "v_proj", "o_proj"),
    )
    folder = JobFolder(tmp_path / "job")
    folder.make(make_spec({"kind": "tuning", "title": "new skill", "options": options.to_dict()}))
    assert run_until(folder.path, 20, signal.SIGTERM) == 0
    assert lines(folder.path, "ended")[-1]["outcome"] == "stopped"
    assert run_until(folder.path, 40, signal.SIGKILL) == -9
    assert run_until(folder.path, None) == 0
    assert lines(folder.path, "ended")[-1]["outcome"] == "done"
    kinds = {str(made["kind"]) for made in lines(folder.path, "artefact")}
    assert kinds == {"adapter", "checkpoint"}
    after = share_right(tmp_path / "tuned", held_out), share_right(tmp_path / "tuned", old)
    assert after[0] > 0.8
    assert after[1] >= before[1] - 0.05
    exported_and_compared(tmp_path / "tuned", tmp_path / "gguf" / "tuned-F16.gguf", held_out)


def exported_and_compared(tuned: Path, gguf: Path, held_out: Sequence[Pair]) -> None:
    """The file predicts what the checkpoint does, and answers what the base cannot."""
    convert(tuned, gguf, "F16")
    (reference,) = (model for model in scan_folder(tuned.parent, "test") if Path(model.path) == tuned)
    check = asyncio.run(check_files(reference, gguf))
    assert check.top1_agreement > 0.95 and check.mean_kl < 0.01
    some, right = held_out[:20], {}
    for model in (DEMO, gguf):
        answers = asyncio.run(answered(model, some))
        right[model] = sum(answer == wanted for answer, (_, wanted) in zip(answers, some, strict=True))
    assert right[DEMO] < 4 and right[gguf] > 14


async def answered(model: Path, pairs: Sequence[Pair]) -> list[str]:
    """As a pane of Compare asks it, by the engine of the app."""
    (known,) = (one for one in scan_folder(model.parent, "test") if Path(one.path).resolve() == model.resolve())
    models = ModelManager(model.parent)
    models.available_models = [known]
    engine = InferenceEngine(models=models)
    config = ModelConfig(temperature=0, repeat_penalty=1.0, max_tokens=48, n_ctx=512)
    answers = []
    try:
        for asked, _ in pairs:
            request = GenerationRequest(messages=(Message("user", asked),), config=config)
            texts = [event.text async for event in engine.stream(known.id, request) if isinstance(event, TextDelta)]
            answers.append("".join(texts).strip())
        return answers
    finally:
        await engine.aclose()
