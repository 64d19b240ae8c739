from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.applications.examples import example_text
from multi_llm_comparator.applications.results import DocumentAnalysis
from multi_llm_comparator.applications.spec import ServiceType
from multi_llm_comparator.cooperation import standalone

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "models" / "gguf" / "SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    standalone.close()


@pytest.mark.parametrize(
    ("service", "parameter", "kind", "key"),
    [
        ("document_analysis", "analysis_type", "comprehensive", "analysis"),
        ("data_insight", "insight_type", "trends", "trend_analysis"),
        ("decision_support", "decision_type", "comparison", "comparison"),
    ],
)
def test_the_documented_examples_work_without_a_model(
    service: ServiceType, parameter: str, kind: str, key: str
) -> None:
    from llm_cooperation import ApplicationServiceManager

    async def example() -> None:
        service_manager = ApplicationServiceManager()
        response = await service_manager.process_request(
            service_type=service,
            content=example_text(service, "zh"),
            parameters={parameter: kind, "model": ""},
        )
        assert response.success, response.error
        assert response.result[key].startswith("## ") and response.processing_time > 0 and response.request_id
        if service == "document_analysis":
            assert response.result["document_length"] == 188
        if service == "data_insight":
            assert response.result["data_points"] == 32

    asyncio.run(example())


def test_what_is_wrong_is_in_the_response() -> None:
    from llm_cooperation import ApplicationServiceManager

    response = asyncio.run(ApplicationServiceManager().process_request("data_insights", "x", {}))
    assert not response.success and "did you mean 'data_insight'" in (response.error or "")
    assert response.to_dict()["error_type"] == "ConfigurationError"


@pytest.mark.slow
@pytest.mark.skipif(not SMALL.exists(), reason="the first model is not here")
def test_the_smallest_real_model_gives_an_analysis_with_sources(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from llm_cooperation import ApplicationServiceManager

    (tmp_path / "models" / "gguf").mkdir(parents=True)
    (tmp_path / "models" / "gguf" / SMALL.name).symlink_to(SMALL)
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_HOME", str(tmp_path / "home"))
    parameters = {"analysis_type": "summary", "answer_tokens": 120}
    response = asyncio.run(
        ApplicationServiceManager().process_request(
            "document_analysis", example_text("document_analysis", "en"), parameters
        )
    )
    assert response.success and response.completion_tokens > 0
    result = response.typed
    assert isinstance(result, DocumentAnalysis)
    assert any(claim.state in ("found", "picked") and claim.place is not None for claim in result.claims)
