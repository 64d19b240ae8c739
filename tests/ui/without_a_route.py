"""What a machine without a network does with the workbench: run inside a network namespace that has only itself.

Usage: python -m tests.ui.without_a_route
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DownloadError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.jobs.spec import make_spec
from multi_llm_comparator.tracking.mlflow_log import local_uri
from multi_llm_comparator.workbench import Workbench, close_workbench, get_workbench
from tests.evaluation.measuring.making import evaluation, prompt_set
from tests.training.tunings import PAIRS, options_for

PATIENCE_S = 240


async def asked(comparison: Comparison) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        await comparison.send("What is 2 + 3?")
        await comparison.wait()
    return [answer.progress.state for answer in comparison.snapshot().turns[0].answers.values()]


async def measured(workbench: Workbench, models: list[ModelInfo]) -> str:
    rows = prompt_set(("What is 2 + 3?", "5"), compare="contains")
    run = await workbench.evaluations.start(evaluation(rows, *(model.id for model in models)))
    async with asyncio.timeout(PATIENCE_S):
        await run.wait()
    return run.state


async def tuned(workbench: Workbench, home: Path) -> str:
    """A tuning of eight steps, of which MLflow is told in a database of its own."""
    data = home / "pairs.json"
    data.write_text(json.dumps(PAIRS), encoding="utf-8")
    options = options_for(data, home / "tuned", mlflow_uri=local_uri(home))
    job = await workbench.jobs.start(make_spec({"kind": "tuning", "title": "alone", "options": options.to_dict()}))
    async with asyncio.timeout(PATIENCE_S):
        await job.wait()
    snapshot = job.snapshot()
    return snapshot.state if snapshot.state == "done" else f"{snapshot.state}: {snapshot.error}"


def main() -> None:
    workbench = get_workbench()
    try:
        assert workbench.models.wait_for_scan(PATIENCE_S)
        models = [model for model in workbench.models.get_available_models() if model.name.startswith("demo-small")][:2]
        panes = [Pane.new(model.id, ModelConfig(max_tokens=16, temperature=0.0)) for model in models]
        comparison = workbench.bridge.run(workbench.comparisons.create(panes))
        print("answers:", *workbench.bridge.run(asked(comparison), PATIENCE_S))
        print("measured:", workbench.bridge.run(measured(workbench, models), PATIENCE_S))
        try:
            workbench.bridge.run(workbench.hub.look_up("HuggingFaceTB/SmolLM2-135M-Instruct"), PATIENCE_S)
        except DownloadError as exc:
            print("hub:", exc)
        print("tuned:", workbench.bridge.run(tuned(workbench, workbench.settings.home), PATIENCE_S))
    finally:
        close_workbench()


if __name__ == "__main__":
    main()
