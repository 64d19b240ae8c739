"""A bundle run again with real models: on the same machine the same texts, token for token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.scan.fingerprint import model_fingerprint
from multi_llm_comparator.sharing.bundle import read_bundle
from multi_llm_comparator.sharing.shared_runs import SharedRuns
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.voting.registry import VoteRegistry

MODELS = Path(__file__).parents[2] / "models"
FILES = (MODELS / "pytorch" / "demo-small", MODELS / "gguf" / "demo-small-Q8_0.gguf")
PROMPTS = ("What is 12 + 7?", "And 30 - 4?")


class Bench:
    """A store and registries of its own, on engines and models that both share."""

    def __init__(self, folder: Path, engine: InferenceEngine, models: ModelManager) -> None:
        folder.mkdir()
        self.store = Store(f"sqlite:///{folder / 'runs.db'}")
        self.runs = RunRegistry(self.store)
        self.comparisons = ComparisonRegistry(self.runs, engine, models.find, model_fingerprint)
        votes = VoteRegistry(self.runs, engine, models.find, model_fingerprint)
        self.shared = SharedRuns(
            self.comparisons, votes, models.get_available_models, model_fingerprint, lambda name: False
        )


@pytest.fixture
async def benches(tmp_path: Path) -> AsyncIterator[tuple[Bench, Bench, list[ModelInfo]]]:
    folder = tmp_path / "models"
    for file in FILES:
        place = folder / file.parent.name
        place.mkdir(parents=True)
        (place / file.name).symlink_to(file)
    models = ModelManager(folder)
    found = models.scan_models()
    assert len(found) == len(FILES)
    engine = InferenceEngine(models=models)
    pair = Bench(tmp_path / "there", engine, models), Bench(tmp_path / "here", engine, models)
    yield *pair, found
    for bench in pair:
        await bench.runs.aclose()
        bench.store.close()
    await engine.aclose()


def texts_of(comparison: Comparison) -> list[dict[str, str]]:
    """Of each turn by pane: in which order they are stored is nobody's business."""
    return [{pane: answer.text for pane, answer in turn.answers.items()} for turn in comparison.snapshot().turns]


@pytest.mark.slow
async def test_a_reproducible_comparison_comes_out_the_same_elsewhere(
    benches: tuple[Bench, Bench, list[ModelInfo]],
) -> None:
    there, here, models = benches
    # Drawn seeds and a temperature: chance has to be in the bundle.
    config = ModelConfig(temperature=1.2, max_tokens=24, n_ctx=512, reproducible=True)
    first = await there.comparisons.create([Pane.new(model.id, config) for model in models])
    for prompt in PROMPTS:
        await first.send(prompt)
        await first.wait()
    data = await there.shared.bundle("comparison", first.id)
    manifest, _ = read_bundle(data)
    assert manifest.prompts == PROMPTS
    assert all(model.fingerprint and len(model.seeds) == 2 for model in manifest.models)
    _, run_id = await here.shared.run_again(data)
    again = await here.comparisons.get(run_id)
    await again.wait()
    texts = texts_of(again)
    assert len(texts) == 2 and all(text for turn in texts for text in turn.values())
    assert texts == texts_of(first)
