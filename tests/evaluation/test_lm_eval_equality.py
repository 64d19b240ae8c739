"""Every item of our MMLU and C-Eval has the prompt, the log-probabilities and the score that lm-eval gives it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.scores import TIE_NATS
from multi_llm_comparator.evaluation.tasks.answering import Answered, answer_items
from multi_llm_comparator.evaluation.tasks.base import Task, TaskOptions
from multi_llm_comparator.evaluation.tasks.bbh import DESCRIPTIONS, HUB_NAME
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.sources import csv_rows
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.support import material
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer
from tests.support.warm_python import warm_python

N_CTX = 2048
SETS = material.real("mmlu_ceval")
needs_lm_eval = pytest.mark.skipif(importlib.util.find_spec("lm_eval") is None, reason="lm-eval is an extra")
needs_sets = pytest.mark.skipif(not SETS, reason="the real data sets are not on this machine")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in float32, with room for few-shot prompts in bytes."""
    folder = tmp_path_factory.mktemp("models") / "random"
    make_checkpoint(folder, max_position_embeddings=N_CTX, initializer_range=0.1)
    # lm-eval wants an end mark, which test checkpoints have none of.
    make_tokenizer().save_pretrained(folder)
    return folder


@needs_lm_eval
def test_big_bench_hard_has_the_descriptions_and_the_data_set_of_lm_eval() -> None:
    package = importlib.util.find_spec("lm_eval")
    assert package is not None and package.origin is not None
    folder = Path(package.origin).parent / "tasks" / "bbh" / "zeroshot"
    told = [yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader) for path in folder.glob("[a-z]*.yaml")]
    assert {one["dataset_name"]: one["description"] for one in told} == {
        subject: f"{description}\n\n" for subject, description in DESCRIPTIONS.items()
    }
    assert f"dataset_path: {HUB_NAME}\n" in (folder / "_zeroshot_template_yaml").read_text(encoding="utf-8")


def rows_for_lm_eval(task: Task, folder: Path) -> dict[str, Any]:
    """Our task's data as JSON lines in the shape that lm-eval's task expects, and which of its files it is."""
    is_mmlu = task.group == "mmlu"
    subject = task.name.removeprefix("mmlu_" if is_mmlu else "ceval-valid_")
    root = SETS[0] / ("mmlu/data" if is_mmlu else "ceval")
    splits = {}
    for split in ("dev", "test") if is_mmlu else ("dev", "val"):
        names = ("question", "A", "B", "C", "D", "answer") if is_mmlu else None
        rows: list[dict[str, Any]] = []
        for row in csv_rows(root / split / f"{subject}_{split}.csv", names):
            if is_mmlu:
                choices = [row[label] for label in "ABCD"]
                rows.append({"question": row["question"], "choices": choices, "answer": "ABCD".index(row["answer"])})
            else:
                rows.append({name: row[name] for name in ("question", "A", "B", "C", "D", "answer")})
        path = folder / f"{task.name}_{split}.jsonl"
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8")
        splits[split] = str(path)
    if is_mmlu:
        return {
            "family": "mmlu/default",
            "template": "_default_template_yaml",
            "file": f"mmlu_{subject}.yaml",
            "splits": splits,
        }
    file = f"ceval-valid_{subject}.yaml"
    return {"family": "ceval", "template": "_default_ceval_yaml", "file": file, "splits": splits}


def of_lm_eval(
    model: Path, tasks: list[Task], options: TaskOptions, folder: Path, *, ours: bool = False
) -> dict[str, Any]:
    """What lm-eval makes of the same items: with its own ``hf`` model, or with ``ours``."""
    job = {
        "ours": ours,
        "model": str(model),
        "n_ctx": N_CTX,
        "shots": options.shots,
        "limit": options.limit,
        "chat": options.chat,
        "chat_turns": options.chat_turns,
        "tasks": [rows_for_lm_eval(task, folder) for task in tasks],
    }
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [warm_python(), "-m", "tests.support.lm_eval_child", str(folder / "job.json"), str(folder / "out.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return found


async def of_ours(model: Path, tasks: list[Task]) -> dict[str, list[Answered]]:
    engine = InferenceEngine()
    info = model_at(model)
    engine.know(info)
    config = ModelConfig(n_ctx=N_CTX, torch_dtype="float32")
    found: dict[str, list[Answered]] = {}
    try:
        for task in tasks:
            answers = [one async for one in answer_items(task.items, info.id, config, text=engine, scorer=engine)]
            order = {item.id: number for number, item in enumerate(task.items)}
            found[task.name] = sorted(answers, key=lambda one: order[one.item.id])
    finally:
        await engine.aclose()
    return found


async def compare(checkpoint: Path, options: TaskOptions, folder: Path, subjects: int | None = None) -> int:
    """Compare all items; the number of them."""
    loaded = [load_tasks(name, SETS[0], options) for name in ("mmlu", "ceval")]
    tasks = [task for group in loaded for task in group[:subjects]]
    theirs = of_lm_eval(checkpoint, tasks, options, folder)
    ours = await of_ours(checkpoint, tasks)
    compared, greatest = 0, 0.0
    for task in tasks:
        assert theirs["versions"][task.name] == task.version
        assert len(theirs["samples"][task.name]) == len(task.items) == len(ours[task.name])
        for sample, answered in zip(theirs["samples"][task.name], ours[task.name], strict=True):
            item, result = answered.item, answered.answer
            if isinstance(item.prompt, str):
                assert item.prompt == sample["prompt"]
            assert result is not None and not isinstance(result, str), answered.error
            logprobs = [float(answer[0]) for answer in sample["answers"]]
            greatest = max(greatest, *(abs(a - b) for a, b in zip(logprobs, result.logprobs, strict=True)))
            greedy = [str(answer[1]) == "True" for answer in sample["answers"]]
            score = task.score(item, result)
            assert score.correct == (sample["acc"] in (1.0, "1.0", 1)) or score.is_tie, item.id
            assert [one.is_greedy for one in result.continuations] == greedy or score.is_tie, item.id
            compared += 1
    assert greatest < TIE_NATS
    return compared


@needs_lm_eval
@needs_sets
@pytest.mark.slow
async def test_items_have_the_prompts_and_scores_of_lm_eval(checkpoint: Path, tmp_path: Path) -> None:
    compared = await compare(checkpoint, TaskOptions(shots=3, limit=3), tmp_path, subjects=3)
    assert compared == 18


@needs_lm_eval
@needs_sets
@pytest.mark.slow
async def test_items_in_a_chat_template_have_the_scores_of_lm_eval(checkpoint: Path, tmp_path: Path) -> None:
    options = TaskOptions(shots=2, limit=3, chat=True, chat_turns=True)
    assert await compare(checkpoint, options, tmp_path, subjects=2) == 12


@needs_lm_eval
@needs_sets
@pytest.mark.nightly
@pytest.mark.parametrize("chat", [False, True])
def test_a_task_of_lm_eval_gives_the_same_on_our_engine_as_on_its_own(
    checkpoint: Path, tmp_path: Path, chat: bool
) -> None:
    options = TaskOptions(shots=2, limit=3, chat=chat, chat_turns=chat)
    tasks = load_tasks("mmlu", SETS[0], options)[:2]
    theirs, ours = (of_lm_eval(checkpoint, tasks, options, tmp_path, ours=one) for one in (False, True))
    for task in tasks:
        for a, b in zip(theirs["samples"][task.name], ours["samples"][task.name], strict=True):
            assert (a["prompt"] == b["prompt"]) is not chat
            some, others = ([float(answer[0]) for answer in sample["answers"]] for sample in (a, b))
            assert some == pytest.approx(others, abs=TIE_NATS)


@needs_lm_eval
@needs_sets
@pytest.mark.nightly
async def test_all_items_of_all_subjects_have_the_scores_of_lm_eval(checkpoint: Path, tmp_path: Path) -> None:
    tasks = [task for name in ("mmlu", "ceval") for task in load_tasks(name, SETS[0], TaskOptions(shots=5))]
    assert len(tasks) == 26
    compared = await compare(checkpoint, TaskOptions(shots=5), tmp_path)
    assert compared == sum(len(task.items) for task in tasks)
