"""The report's names over real models of this machine: a small one that talks, and one that does sums."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from llm_cooperation import (
    ApplicationServiceManager,
    CooperationScheduler,
    InferenceRequest,
    IntelligentRouter,
    ModelResourceManager,
    OpenAIEngine,
    SystemConfig,
)
from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.spec import ServiceType
from multi_llm_comparator.cooperation import standalone
from multi_llm_comparator.core.config import ModelConfig

MODELS = Path(__file__).parents[2] / "models"
TALKS, SUMS = "SmolLM2-135M-Instruct.Q4_1", "demo-large-Q8_0"
SHORT = ModelConfig(max_tokens=40, temperature=0.0)


@pytest.fixture(autouse=True)
def mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not all((MODELS / "gguf" / f"{name}.gguf").is_file() for name in (TALKS, SUMS)):
        pytest.skip("the models that come with the project are not here")
    folder = tmp_path / "models" / "gguf"
    folder.mkdir(parents=True)
    for name in (TALKS, SUMS):
        (folder / f"{name}.gguf").symlink_to(MODELS / "gguf" / f"{name}.gguf")
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    for name in ("BASE_URL", "API_KEY"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "configs" / "llms" / "groups" / "_task_groups.yaml"
    file.parent.mkdir(parents=True)
    models = {
        "qwen3_8b": {"local": TALKS, "supported_tasks": ["translation", "simple", "knowledge"]},
        "qwen3_32b_reasoning": {"local": SUMS, "supported_tasks": ["math"]},
    }
    file.write_text(yaml.safe_dump({"models": models}))
    yield
    standalone.close()


@pytest.mark.slow
async def test_the_reports_calls_are_answered_by_models_of_this_machine() -> None:
    router = IntelligentRouter()
    summed = await router.route("What is 12 + 30?", config=SHORT)
    assert summed.target == "qwen3_32b_reasoning" and "42" in summed.text
    said = await router.route("将'你好'翻译成英文", config=SHORT)
    assert said.target == "qwen3_8b" and said.text.strip() and said.completion_tokens <= 40
    async with OpenAIEngine(SystemConfig()) as engine:
        request = InferenceRequest(prompt="Say hello", model_name="qwen3_8b", max_tokens=8, temperature=0.0)
        response = await engine.inference(request)
        assert response.success and response.text and response.usage["completion_tokens"] <= 8
    together = await CooperationScheduler().create_parallel_task(
        "What is 12 + 30?", ["qwen3_8b", "qwen3_32b_reasoning"], integration_strategy="concatenation", config=SHORT
    )
    assert "42" in together
    status = ModelResourceManager().get_system_status()["models"]
    assert status["qwen3_8b"]["request_count"] >= 2 and status["qwen3_32b_reasoning"]["avg_latency"] > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("service", "kind", "key"),
    [
        ("document_analysis", {"analysis_type": "comprehensive"}, "analysis"),
        ("data_insight", {"insight_type": "trends"}, "trend_analysis"),
        ("decision_support", {"decision_type": "comparison"}, "comparison"),
    ],
)
async def test_the_reports_services_are_worded_by_a_model_of_this_machine(
    service: ServiceType, kind: dict[str, str], key: str
) -> None:
    parameters = {**kind, "model": TALKS, "answer_tokens": 40}
    response = await ApplicationServiceManager().process_request(service, example_text(service, "zh"), parameters)
    assert response.success, response.error
    assert response.result[key].startswith("## ") and response.processing_time > 0
    assert response.completion_tokens > 0
