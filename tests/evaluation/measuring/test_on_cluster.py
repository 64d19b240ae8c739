"""An evaluation on the actors of a real Ray cluster of one machine finds what it finds without one."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.measuring.cells import Cell
from multi_llm_comparator.evaluation.measuring.on_cluster import spread_with
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.spec import TaskChoice
from multi_llm_comparator.evaluation.tasks.base import Task
from multi_llm_comparator.evaluation.tasks.own import load_own
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.scan.single import model_at
from tests.evaluation.measuring.making import Saying, evaluation, prompt_set
from tests.support.ray_cluster import Cluster, free_port, needs_ray

ROOT = Path(__file__).parents[3]
SUMS = prompt_set(*((f"what is {n} + {n + 3} ?", str(2 * n + 3)) for n in range(12)), compare="contains")
SHORT = ModelConfig(temperature=0.0, max_tokens=12, n_ctx=128, torch_dtype="float32")
CHOICES = [{"question": f"{n} + 1 =", "choices": [str(n), str(n + 1)], "answer": str(n + 1)} for n in range(8)]
TIMEOUT_S = 600.0


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path)
    try:
        await made.start()
        yield made
    finally:
        made.stop()


async def finished(registry: Any, spec: Any) -> EvaluationRun:
    run: EvaluationRun = await registry.start(spec)
    async with asyncio.timeout(TIMEOUT_S):
        await run.wait()
    return run


def found(run: EvaluationRun) -> dict[str, tuple[Any, ...]]:
    """What an evaluation says of each answer, without when it was given and how fast."""

    def facts(cell: Cell) -> tuple[Any, ...]:
        return cell.state, cell.text, cell.score, cell.how, cell.extracted, tuple(round(p, 3) for p in cell.logprobs)

    return {str(key): facts(cell) for key, cell in sorted(run.cells.items(), key=lambda pair: str(pair[0]))}


@needs_ray
@pytest.mark.slow
async def test_a_cluster_finds_the_same_and_says_what_it_lacks(opened: Any, cluster: Cluster, tmp_path: Path) -> None:
    """One story, for a cluster takes long to start."""
    model = model_at(ROOT / "models" / "pytorch" / "demo-small")
    gone = dataclasses.replace(model, id="gone", path=str(tmp_path / "gone"))
    models: dict[str, ModelInfo] = {model.id: model, "gone": gone}
    engine = InferenceEngine()
    engine.know(model)
    path = tmp_path / "choices.json"
    path.write_text(json.dumps(CHOICES), encoding="utf-8")

    def tasks(choice: TaskChoice) -> list[Task]:
        return list(load_own(choice.name, choice.options))

    more: dict[str, Any] = {"config": SHORT, "tasks": [TaskChoice(name=str(path))]}
    registry = opened(engine, scorer=engine, tasks=tasks, spread=spread_with(models.get), is_local=models.__contains__)
    try:
        here = await finished(registry, evaluation(SUMS, model.id, **more))
        there = await finished(
            registry, evaluation(SUMS, model.id, **more, cluster={"address": cluster.head, "actors": 2})
        )
    finally:
        await engine.aclose()
    assert (here.state, there.state) == ("done", "done"), (here.error, there.error)
    assert len(found(here)) == 20
    assert found(there) == found(here)
    assert results_of(there.snapshot()).subjects == results_of(here.snapshot()).subjects

    lost = await finished(
        registry, evaluation(SUMS, "gone", config=SHORT, cluster={"address": cluster.head, "actors": 1})
    )
    assert lost.state == "failed"
    assert lost.error is not None and "share the models' folder" in lost.error


@needs_ray
async def test_a_cluster_that_nobody_can_reach_fails_the_run_and_says_so(opened: Any) -> None:
    address = f"127.0.0.1:{free_port()}"
    registry = opened(Saying(lambda target, request: "1"), spread=spread_with(lambda target: None))
    run = await finished(registry, evaluation(SUMS, "a", cluster={"address": address}))
    assert run.state == "failed"
    assert run.error is not None and f"the Ray cluster at {address!r} does not answer" in run.error


@pytest.mark.parametrize("address", ["local", "auto", "http://x y:1", "ray://", "host", "host:port"])
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ConfigurationError, match="cluster"):
        evaluation(SUMS, "a", cluster={"address": address})
