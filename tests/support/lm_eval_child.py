"""lm-eval's own ``hf`` model over data of a local folder, in a process of its own: ``python -m ... JOB.json OUT.json``.

Prompts and scoring are those of the task files that lm-eval ships; only where their rows come from is changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def shipped(family: str, template: str, file: str) -> dict[str, Any]:
    """A task's configuration from the files that lm-eval ships, without what names its place among others."""
    import lm_eval.tasks

    folder = Path(lm_eval.tasks.__file__).parent / family
    merged: dict[str, Any] = {}
    for name in (template, file):
        merged |= yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    for name in ("include", "tag", "dataset_name", "task_alias"):
        merged.pop(name, None)
    return merged


def with_rows(config: dict[str, Any], splits: dict[str, str]) -> dict[str, Any]:
    """The same task over JSON lines, a file for each split."""
    return {**config, "dataset_path": "json", "dataset_kwargs": {"data_files": splits}}


def ours(job: dict[str, Any]) -> Any:
    """Our engine as lm-eval's model."""
    from multi_llm_comparator.core.config import ModelConfig
    from multi_llm_comparator.evaluation.lm_eval_model import EngineLM
    from multi_llm_comparator.services.bridge import get_bridge
    from multi_llm_comparator.services.inference_engine import InferenceEngine
    from multi_llm_comparator.services.scan.single import model_at

    engine, model = InferenceEngine(), model_at(job["model"])
    engine.know(model)
    config = ModelConfig(n_ctx=job["n_ctx"], torch_dtype="float32")
    return EngineLM(engine, model.id, config, run=get_bridge().run)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    import torch
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    torch.set_num_threads(1)
    model = (
        ours(job)
        if job["ours"]
        else HFLM(pretrained=job["model"], dtype="float32", device="cpu", batch_size=1, max_length=job["n_ctx"])
    )
    configs = [with_rows(shipped(one["family"], one["template"], one["file"]), one["splits"]) for one in job["tasks"]]
    results = simple_evaluate(
        model,
        tasks=configs,
        num_fewshot=job["shots"],
        limit=job["limit"],
        apply_chat_template=job["chat"],
        fewshot_as_multiturn=job["chat_turns"],
        task_manager=TaskManager(include_defaults=False),
        bootstrap_iters=0,
    )
    found = {}
    for name, samples in results["samples"].items():
        found[name] = [
            {
                "prompt": sample["arguments"]["gen_args_0"]["arg_0"]
                if isinstance(sample["arguments"], dict)
                else sample["arguments"][0][0],
                "answers": [one[0] if isinstance(one[0], list | tuple) else one for one in sample["resps"]],
                "acc": sample.get("acc"),
                "doc": sample["doc_id"],
            }
            for sample in sorted(samples, key=lambda sample: sample["doc_id"])
        ]
    versions = {name: str(config["metadata"]["version"]) for name, config in results["configs"].items()}
    Path(sys.argv[2]).write_text(json.dumps({"samples": found, "versions": versions}, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
