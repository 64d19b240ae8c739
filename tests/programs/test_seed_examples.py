"""The usage examples of the report on cooperation, as they stand there: imports, calls, and what is read of results.

Its endpoint is a server of the tests; its model names are those of the configuration.
"""

from __future__ import annotations

import asyncio
import time
from importlib.resources import files

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
from tests.programs.conftest import Place
from tests.support.scripted_openai_server import KEY

# The report's document, sales data and decision.
EXAMPLES = yaml.safe_load(files("multi_llm_comparator.applications").joinpath("examples.yaml").read_bytes())
VOTERS = ["qwen3_32b_reasoning", "qwen3_8b", "qwen2_5_7b"]
CHOICES = (
    "一家初创公司应该选择以下哪种融资方式？\nA. 风险投资（VC）\nB. 天使投资\nC. 银行贷款\nD. 众筹\n"
    "请给出最佳建议并说明理由。"
)


async def test_example_1_basic_inference(place: Place) -> None:
    config = SystemConfig()
    config.update_api_config(base_url=place.server.url, api_key=KEY)
    config.add_custom_model("own_model", "provider/model")
    engine = OpenAIEngine(config)
    await engine.initialize()
    try:
        request = InferenceRequest(
            prompt="请解释什么是人工智能？", model_name="own_model", max_tokens=500, temperature=0.7
        )
        response = await engine.inference(request)
        assert response.success
        assert f"{response.model_name} {response.text}" == "own_model Said by provider/model"
        assert f"{response.latency:.2f}秒".endswith("秒")
        assert response.usage.get("total_tokens", "N/A") == 9
        assert response.error is None
    finally:
        await engine.shutdown()
    (received,) = place.server.received
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert (received.body["max_tokens"], received.body["temperature"]) == (500, 0.7)


@pytest.mark.parametrize(
    ("query", "who"),
    [
        ("解方程：2x² + 5x - 3 = 0", {"qwen3_32b_reasoning"}),
        ("将'你好'翻译成英文", {"qwen3_8b"}),
        ("分析这张图片中的内容", {"qwen2_5_vl_72b"}),
    ],
)
async def test_example_2_intelligent_routing(place: Place, query: str, who: set[str]) -> None:
    router = IntelligentRouter()
    result = await router.route_request(query)
    assert f"结果: {result[:100]}..." == f"结果: Said by {next(iter(who))}..."
    assert {received.model for received in place.server.received} == who


async def test_example_2_a_complex_question_is_answered_by_several_models(place: Place) -> None:
    result = await IntelligentRouter().route_request("详细解释量子计算的原理和应用")
    assert isinstance(result, str) and result
    assert len({received.model for received in place.server.received}) >= 2


async def test_example_3_cooperation_in_sequence_in_parallel_and_by_vote(place: Place) -> None:
    scheduler = CooperationScheduler()
    sequential = await scheduler.create_sequential_task(
        query="请分析电动汽车行业的发展趋势",
        models=["qwen3_32b_reasoning", "qwen3_8b", "qwen3_32b_router"],
        integration_strategy="ensemble",
    )
    parallel = await scheduler.create_parallel_task(
        query="从多个角度分析碳中和政策对不同行业的影响", models=VOTERS, integration_strategy="ensemble"
    )
    voted = await scheduler.create_voting_task(query=CHOICES, models=VOTERS, voting_rounds=1)
    assert all(isinstance(result, str) and result[:300] for result in (sequential, parallel, voted))
    assert {received.model for received in place.server.received} >= {*VOTERS, "qwen3_32b_router"}


@pytest.mark.parametrize(
    ("service_type", "parameters", "key", "figure"),
    [
        ("document_analysis", {"analysis_type": "comprehensive"}, "analysis", "document_length"),
        ("data_insight", {"insight_type": "trends"}, "trend_analysis", "data_points"),
        ("decision_support", {"decision_type": "comparison"}, "comparison", None),
    ],
)
async def test_example_4_application_services(
    place: Place, service_type: str, parameters: dict[str, str], key: str, figure: str | None
) -> None:
    service_manager = ApplicationServiceManager()
    response = await service_manager.process_request(
        service_type=service_type, content=EXAMPLES[service_type]["zh"], parameters=parameters
    )
    assert response.success, response.error
    assert f"分析结果:\n{response.result[key]}".strip()
    assert f"处理时间: {response.processing_time:.2f}秒"
    if figure is not None:
        assert response.result[figure] > 20
    assert response.request_id


async def test_monitoring(place: Place) -> None:
    router = IntelligentRouter()
    await router.route_request("将'你好'翻译成英文")
    stats = router.get_routing_stats()
    assert stats["total_requests"] >= 1
    assert f"{stats['success_rate']:.2%} {stats['average_latency']:.2f}秒"
    assert stats["strategy_usage"]["model"] >= 1
    status = ModelResourceManager().get_system_status()
    assert set(status["models"]) >= set(VOTERS)
    for metrics in status["models"].values():
        assert metrics["status"] in ("ready", "loaded")
        assert f"{metrics['request_count']} {metrics['avg_latency']:.2f}秒 {metrics['error_rate']:.2%}"
    assert status["models"]["qwen3_8b"]["request_count"] == 1


async def test_stress(place: Place) -> None:
    queries = ["简单问答测试", "复杂数学推理：求解微分方程", "文档分析：分析商业报告", "多语言翻译：中英文互译"]
    router = IntelligentRouter()

    async def single_request(query: str) -> tuple[float, bool]:
        start = time.time()
        try:
            await router.route_request(query)
            return time.time() - start, True
        except Exception:
            return time.time() - start, False

    results = await asyncio.gather(*(single_request(queries[i % len(queries)]) for i in range(50)))
    assert [succeeded for _, succeeded in results] == [True] * 50


class TestSystemConfig:
    async def test_model_management(self, place: Place) -> None:
        config = SystemConfig()
        initial_count = len(config.MODELS)
        config.add_custom_model(model_name="test_model", model_path="test/model", supported_tasks=["test"])
        assert len(config.MODELS) == initial_count + 1
        assert "test_model" in config.MODELS
        config.remove_model("test_model")
        assert len(config.MODELS) == initial_count


class TestOpenAIEngine:
    async def test_engine_initialization(self, place: Place) -> None:
        config = SystemConfig()
        engine = OpenAIEngine(config)
        assert not engine.initialized
        await engine.initialize()
        assert engine.initialized
        await engine.shutdown()
        assert not engine.initialized


async def test_end_to_end_workflow(place: Place) -> None:
    config = SystemConfig()
    engine = OpenAIEngine(config)
    router = IntelligentRouter()
    await engine.initialize()
    try:
        result = await router.route_request("测试查询")
        assert isinstance(result, str)
        assert len(result) > 0
        scheduler = CooperationScheduler()
        cooperation_result = await scheduler.create_parallel_task("协作测试查询", ["qwen3_8b", "qwen2_5_7b"])
        assert isinstance(cooperation_result, str)
    finally:
        await engine.shutdown()
