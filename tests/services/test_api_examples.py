"""The usage examples of the programming interface's documentation, run as they stand on the demo models."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, ModelNotFoundError
from multi_llm_comparator.core.models import ModelConfig, ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import BaseInferencer
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_manager import ModelManager

ROOT = Path(__file__).parents[2]


@pytest.fixture
def in_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples say ``ModelManager("models")``."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")


@pytest.fixture
def engine() -> Iterator[Callable[..., InferenceEngine]]:
    engines: list[InferenceEngine] = []

    def make(*args: Any) -> InferenceEngine:
        engines.append(InferenceEngine(*args))
        return engines[-1]

    yield make
    for made in engines:
        made.cleanup_resources()


def two_kinds(models: list[ModelInfo]) -> list[ModelInfo]:
    """One model of each kind, with the first places taken: what ``models[0], models[1]`` of the example wants."""
    loadable = [m for m in models if m.is_loadable]
    return [next(m for m in loadable if m.model_type is kind) for kind in (ModelType.PYTORCH, ModelType.GGUF)]


def test_basic_use(
    in_project: None, engine: Callable[..., InferenceEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    model_manager = ModelManager("models")
    inference_engine = engine()
    models = two_kinds(model_manager.scan_models())
    print(f"Found {len(models)} models")
    selected_model_ids = [models[0].id, models[1].id]
    assert model_manager.select_models(selected_model_ids)
    configs = {
        models[0].id: ModelConfig(temperature=0.7, max_tokens=32),
        models[1].id: ModelConfig(temperature=0.8, max_tokens=32),
    }
    prompt = "请介绍一下人工智能的发展历史。"
    selected_models = model_manager.get_selected_models()
    for results in inference_engine.run_inference(prompt, selected_models, configs):
        for model_id, result in results.items():
            if not result.is_complete:
                print(f"Model {model_id}: {result.content}")
            else:
                print(f"Model {model_id} completed in {result.stats.duration:.2f}s")
    assert set(results) == set(selected_model_ids)
    assert all(r.is_complete and r.error is None and r.stats.token_count > 0 for r in results.values())
    assert capsys.readouterr().out.count("completed in") >= 2


def test_advanced_use(
    in_project: None, engine: Callable[..., InferenceEngine], capsys: pytest.CaptureFixture[str]
) -> None:
    model_manager = ModelManager("models")
    selected_models = two_kinds(model_manager.scan_models())
    memory_manager = MemoryManager(max_memory_gb=8)
    inference_engine = engine(memory_manager)
    configs = {m.id: ModelConfig(max_tokens=24) for m in selected_models}
    prompts = ["解释量子计算的基本原理", "描述机器学习的主要算法"]
    for prompt in prompts:
        print(f"\n=== Prompt: {prompt} ===")
        for results in inference_engine.run_inference(prompt, selected_models, configs):
            for model_id, result in results.items():
                if result.error:
                    print(f"Error in {model_id}: {result.error}")
                elif result.is_complete:
                    stats = result.stats
                    print(f"{model_id}: {stats.token_count} tokens, {stats.tokens_per_second:.2f} t/s")
    out = capsys.readouterr().out
    assert "Error in" not in out
    assert out.count("t/s") >= 4


def test_error_handling(in_project: None, engine: Callable[..., InferenceEngine]) -> None:
    model_manager = ModelManager("models")
    try:
        models = model_manager.scan_models()
    except ModelNotFoundError as e:
        pytest.fail(f"No models found: {e}")
    broken = {models[0].id: ModelConfig(temperature=7)}
    with pytest.raises(ConfigurationError, match="temperature"):
        for _ in engine().run_inference("x", models[:1], broken):
            pass
    assert issubclass(InferenceError, Exception)


def test_a_model_that_is_gone_is_an_error_in_its_result_only(
    in_project: None, engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    models = two_kinds(ModelManager("models").scan_models())
    copy = tmp_path / "gone.gguf"
    shutil.copy(models[1].path, copy)
    gone = ModelInfo("", "gone", str(copy), ModelType.GGUF, copy.stat().st_size)
    copy.unlink()
    configs = {models[0].id: ModelConfig(max_tokens=8), gone.id: ModelConfig(max_tokens=8)}
    *_, results = engine().run_inference("What is 2 + 2?", [models[0], gone], configs)
    assert results[gone.id].error
    assert results[gone.id].content == ""
    assert results[gone.id].stats.duration is not None
    assert results[models[0].id].error is None


def test_leaving_the_loop_early_stops_the_models(in_project: None, engine: Callable[..., InferenceEngine]) -> None:
    inference_engine = engine()
    models = two_kinds(ModelManager("models").scan_models())
    configs = {m.id: ModelConfig(max_tokens=400) for m in models}
    for results in inference_engine.run_inference("Hello", models, configs):
        if any(r.content for r in results.values()):
            break
    *_, results = inference_engine.run_inference("Hello", models, {m.id: ModelConfig(max_tokens=4) for m in models})
    assert all(r.is_complete for r in results.values())


class CustomInferencer(BaseInferencer):
    """The example's own kind of model, with an answer so that there is something to see."""

    def load_model(self, model_path: str, config: dict[str, Any]) -> None:
        if "broken" in model_path:
            raise OSError("no such disk")

    def generate_stream(self, prompt: str) -> Iterator[str]:
        yield from ("you said ", prompt)

    def unload_model(self) -> None:
        pass

    def get_model_info(self) -> dict[str, Any]:
        return {"model_type": "custom"}


def create_custom_inferencer(model_info: ModelInfo) -> BaseInferencer | None:
    if model_info.model_type == ModelType.CUSTOM:
        return CustomInferencer()
    return None


def test_a_custom_inferencer_is_registered_and_used(engine: Callable[..., InferenceEngine]) -> None:
    inference_engine = engine()
    inference_engine.register_inferencer_factory(create_custom_inferencer)
    model = ModelInfo("", "mine", "nowhere", ModelType.CUSTOM, 0)
    broken = ModelInfo("", "broken", "broken", ModelType.CUSTOM, 0)
    *_, results = inference_engine.run_inference("hi", [model, broken], {})
    assert results[model.id].content == "you said hi"
    assert results[model.id].is_complete
    assert "no such disk" in (results[broken.id].error or "")
    assert isinstance(inference_engine.create_inferencer(model), CustomInferencer)


@pytest.mark.parametrize("kind", [ModelType.PYTORCH, ModelType.GGUF])
def test_an_inferencer_alone_loads_streams_and_unloads(
    in_project: None, engine: Callable[..., InferenceEngine], kind: Any
) -> None:
    model = next(m for m in two_kinds(ModelManager("models").scan_models()) if m.model_type is kind)
    inferencer = engine().create_inferencer(model)
    inferencer.load_model(model.path, {"temperature": 0, "max_tokens": 12})
    assert inferencer.is_model_loaded()
    info = inferencer.get_model_info()
    assert info["model_type"] == kind.value
    assert info["model_size"] > 500_000
    first = "".join(inferencer.generate_stream("What is 2 + 2?"))
    assert first == "".join(inferencer.generate_stream("What is 2 + 2?"))
    inferencer.unload_model()
    assert not inferencer.is_model_loaded()
    assert inferencer.get_model_info() == {}
    with pytest.raises(InferenceError, match="load_model"):
        next(inferencer.generate_stream("x"))
