"""Configuration in code: what each setting does, and what is refused."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx2
import pytest
import yaml

from llm_cooperation.config import SystemConfig
from llm_cooperation.managers import LoadBalanceStrategy, ModelResourceManager
from llm_cooperation.tools import APIConfigManager
from multi_llm_comparator.cooperation.standalone import services, with_services
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.keys import KeyStore
from multi_llm_comparator.programs.engine import InferenceRequest, OpenAIEngine
from tests.programs.conftest import Place
from tests.support.gateways import ask
from tests.support.scripted_openai_server import KEY, Act


async def test_own_models_are_added_exported_and_read_again_without_their_keys(place: Place) -> None:
    config_manager = APIConfigManager()
    config_manager.add_model_config(
        model_name="math_specialist",
        model_path="deepseek/deepseek-math",
        api_base_url="https://api.deepseek.com/v1",
        api_key=KEY,
        supported_tasks=["math", "reasoning", "calculation"],
        max_tokens=8192,
        temperature=0.1,
    )
    config_manager.add_model_config(
        model_name="code_specialist",
        model_path="deepseek/deepseek-coder",
        supported_tasks=["code", "programming", "debug"],
        max_tokens=8192,
        temperature=0.3,
    )
    config_data = config_manager.export_config("my_config.json")
    text = (place.folder / "my_config.json").read_text()
    assert json.loads(text) == config_data and KEY not in text
    other = APIConfigManager(SystemConfig())
    assert {"math_specialist", "code_specialist"} <= set(other.import_config("my_config.json"))
    found = other.config.MODELS["math_specialist"]
    assert (found.model_path, found.max_tokens, found.api_key) == ("deepseek/deepseek-math", 8192, None)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "x", "version": 1, "models": {}}', '{"models": {"m": {}}}'])
async def test_a_file_that_is_none_of_ours_is_refused(place: Place, text: str) -> None:
    Path("other.json").write_text(text)
    with pytest.raises(DocumentError, match="other"):
        APIConfigManager().import_config("other.json")


async def test_what_is_saved_is_there_for_the_app_with_its_key_in_the_store(place: Place) -> None:
    tools = APIConfigManager()
    tools.add_model_config("mine", "their/name", place.server.url, KEY, ["math"])
    assert tools.save() == ["mine"]
    declared = yaml.safe_load(place.groups_file.read_text())["models"]["mine"]
    assert declared["key"] == "store:mine" and KEY not in place.groups_file.read_text()
    assert KeyStore().get("mine").get_secret_value() == KEY
    assert "mine" in SystemConfig().MODELS


async def test_a_models_own_settings_hold_where_the_request_says_nothing(place: Place) -> None:
    config = SystemConfig()
    config.add_custom_model("calm", "m", api_base_url=place.server.url, max_tokens=33, temperature=0.0)
    async with OpenAIEngine(config) as engine:
        await engine.inference(InferenceRequest(prompt="1", model_name="calm"))
        await engine.inference(InferenceRequest(prompt="2", model_name="calm", max_tokens=5, temperature=1.0))
    bodies = [received.body for received in place.server.received]
    assert [(body["max_tokens"], body["temperature"]) for body in bodies] == [(33, 0.0), (5, 1.0)]


async def test_retries_and_time_limits_are_those_of_the_routing_config(place: Place) -> None:
    config = SystemConfig()
    config.ROUTING_CONFIG.update(
        {"default_timeout": 60.0, "max_retries": 2, "load_balance_strategy": "weighted", "performance_threshold": 0.99}
    )
    failing = Act(kind="status", status=500)
    async with OpenAIEngine(config) as engine:
        place.server.script("qwen3_8b", failing, failing)
        response = await engine.inference(InferenceRequest(prompt="hi", model_name="qwen3_8b"))
        assert response.success and place.server.count("qwen3_8b") == 3
    config.ROUTING_CONFIG.update({"max_retries": 0, "default_timeout": 0.3})
    async with OpenAIEngine(config) as engine:
        place.server.script("qwen3_8b", failing, Act(kind="hang"))
        failed = await engine.inference(InferenceRequest(prompt="hi", model_name="qwen3_8b"))
        late = await engine.inference(InferenceRequest(prompt="hi", model_name="qwen3_8b"))
    assert not failed.success and "500" in (failed.error or "")
    assert (late.success, late.text, late.error_type) == (False, "", "DeadlineExceededError")


async def test_models_take_turns_where_none_is_named(place: Place) -> None:
    async with OpenAIEngine() as engine:
        responses = await engine.batch_inference([InferenceRequest(prompt=str(n)) for n in range(5)])
    assert sorted(response.model_name for response in responses) == sorted(SystemConfig().MODELS)


async def test_what_cannot_be_asked_is_in_the_response(place: Place) -> None:
    async with OpenAIEngine() as engine:
        response = await engine.inference(InferenceRequest(prompt="hi", model_name="nobody-here"))
        assert (response.success, response.error_type) == (False, "ModelNotFoundError")
    with pytest.raises(ConfigurationError, match="not initialized"):
        await engine.inference(InferenceRequest(prompt="hi"))


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("ROUTING_CONFIG", {"max_retries": -1}),
        ("ROUTING_CONFIG", {"retries": 1}),
        ("ROUTING_CONFIG", {"load_balance_strategy": "by luck"}),
        ("MONITORING_CONFIG", {"health_check_interval": "often"}),
    ],
)
async def test_a_setting_that_is_unknown_or_out_of_range_is_refused(
    place: Place, section: str, values: dict[str, object]
) -> None:
    config = SystemConfig()
    getattr(config, section).update(values)
    with pytest.raises(ConfigurationError, match=next(iter(values))):
        await OpenAIEngine(config).initialize()


async def test_figures_are_shown_for_prometheus_until_the_engine_is_shut_down(place: Place) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    config = SystemConfig()
    config.MONITORING_CONFIG.update(
        {"metrics_interval": 5, "health_check_interval": 15, "enable_prometheus": True, "prometheus_port": port}
    )
    async with httpx2.AsyncClient(trust_env=False) as http:
        async with OpenAIEngine(config) as engine:
            await engine.inference(InferenceRequest(prompt="hi", model_name="qwen3_8b"))
            shown = await http.get(f"http://127.0.0.1:{port}/metrics")
            assert "mlc_gateway_attempts_total" in shown.text and "qwen3_8b" in shown.text
        with pytest.raises(httpx2.HTTPError):
            await http.get(f"http://127.0.0.1:{port}/metrics")


async def test_an_endpoint_of_the_environment_is_the_usual_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_URL", place.server.url)
    monkeypatch.setenv("API_KEY", KEY)
    config = SystemConfig()
    config.add_custom_model("theirs", "their/model")
    config.add_custom_model("elsewhere", "m", api_base_url=place.server.url)
    async with OpenAIEngine(config) as engine:
        for name in ("theirs", "elsewhere"):
            assert (await engine.inference(InferenceRequest(prompt="hi", model_name=name))).success
    # The usual endpoint's key is not shown to another one.
    assert [received.headers.get("authorization") == f"Bearer {KEY}" for received in place.server.received] == [
        True,
        False,
    ]


async def test_a_load_balance_strategy_holds_for_the_pools_of_the_gateway(place: Place) -> None:
    strategy = LoadBalanceStrategy(
        strategy_type="weighted",
        weights={"qwen3_32b_reasoning": 2.0, "qwen3_8b": 3.0, "qwen2_5_7b": 1.0, "nobody": 1.0},
        health_threshold=0.95,
        max_queue_length=50,
    )
    manager = ModelResourceManager()
    manager.load_balance_strategy = strategy
    status = manager.get_system_status()
    assert status["load_balance"]["strategy"] == "weighted"
    assert status["load_balance"]["weights_of_unknown_models"] == ["nobody"]
    assert services().gateway.groups.config.gateway.queue_size == 50
    for _ in range(8):
        await with_services(lambda found: ask(found.gateway, "fast_pool"))
    assert (place.server.count("qwen3_8b"), place.server.count("qwen2_5_7b")) == (6, 2)


async def test_a_model_that_answers_too_seldom_is_called_degraded(place: Place) -> None:
    manager = ModelResourceManager()
    manager.load_balance_strategy = LoadBalanceStrategy(health_threshold=0.9)
    gateway = services().gateway
    place.server.script("qwen2_5_7b", *[Act(kind="status", status=400)] * 2)
    for _ in range(8):
        await with_services(lambda found: ask(found.gateway, "qwen2_5_7b"))
    metrics = manager.get_system_status()["models"]["qwen2_5_7b"]
    assert (metrics["status"], metrics["request_count"], metrics["error_rate"]) == ("degraded", 8, 0.25)
    assert gateway is services().gateway


@pytest.mark.parametrize(
    "wrong",
    [{"strategy_type": "by luck"}, {"weights": {"m": 0.0}}, {"health_threshold": 2.0}, {"max_queue_length": -1}],
)
def test_a_strategy_out_of_its_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        LoadBalanceStrategy(**wrong)  # type: ignore[arg-type]


def test_the_package_of_the_report_has_the_names_that_it_imports() -> None:
    import llm_cooperation
    import multi_llm_comparator

    names = {
        "ApplicationServiceManager",
        "SystemConfig",
        "OpenAIEngine",
        "InferenceRequest",
        "IntelligentRouter",
        "CooperationScheduler",
    }
    assert names | {"ModelResourceManager"} <= set(llm_cooperation.__all__)
    for name in names:
        assert getattr(llm_cooperation, name) is getattr(multi_llm_comparator, name)
    with pytest.raises(AttributeError, match="nobody"):
        _ = llm_cooperation.nobody


def test_naming_the_package_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = (
        "import sys, llm_cooperation; from llm_cooperation import IntelligentRouter;"
        "print([m for m in ('torch', 'sklearn', 'scipy', 'streamlit', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
