"""The documented configuration and usage, run as they stand in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.groups import (
    ConcurrencyController,
    ConfigLoader,
    EnhancedFallbackManager,
    Gateway,
    PollingPoolManager,
    TaskGroupManager,
)
from tests.support.gateways import ActingSource

CONFIGURATION = """
gateway: {retry_wait_s: 0.001}
task_groups:
  # main models
  fast_group:
    description: "fast answers"
    echelon1:
      models: ["openai-gpt4", "anthropic-claude-opus"]
      concurrency_limit: 10
      rpm_limit: 100
      priority: 1
      timeout: 30
      max_retries: 3
    echelon2:
      models: ["middle"]
      priority: 2
    echelon3:
      models: ["small"]
      priority: 3
    fallback_strategy: "echelon_down"

  # small models
  fast_small_group:
    description: "fast small models"
    translation:
      models: ["openai-gpt3.5-turbo", "gemini-pro"]
      concurrency_limit: 100
      rpm_limit: 1000
    fallback_strategy: "model_rotate"
  plan_group:
    echelon1: {models: ["planner"]}
    echelon2: {models: ["planner-2"]}
  thinking_group:
    echelon1: {models: ["thinker"]}

polling_pools:
  single_turn_pool:
    task_groups: ["fast_group", "fast_small_group"]
    rotation_strategy: "round_robin"
    health_check_interval: 30
    rate_limiting:
      enabled: true
      algorithm: "token_bucket"

nodes:
  planning_node:
    type: "llm_node"
    config:
      llm_group: "plan_group.echelon1"
      fallback_groups: ["plan_group.echelon2", "thinking_group.echelon1"]
      system_prompt: "你是一个专业的规划助手"
      max_tokens: 3000
"""


@pytest.fixture
def config_loader(tmp_path: Path) -> ConfigLoader:
    path = tmp_path / "configs/llms/groups/_task_groups.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIGURATION, encoding="utf-8")
    return ConfigLoader(tmp_path / "configs")


def test_basic_use(config_loader: ConfigLoader) -> None:
    task_group_manager = TaskGroupManager(config_loader)
    polling_pool_manager = PollingPoolManager(task_group_manager)
    config = task_group_manager.load_config()
    assert config.polling_pools["single_turn_pool"].rotation_strategy == "round_robin"
    models = task_group_manager.get_models_for_group("fast_group.echelon1")
    assert models == ["openai-gpt4", "anthropic-claude-opus"]
    assert task_group_manager.get_models_for_group("fast_small_group.translation")[0] == "openai-gpt3.5-turbo"
    assert set(polling_pool_manager.get_pool("single_turn_pool").get_status()["instances"]) >= set(models)


async def test_execution_with_fallback(config_loader: ConfigLoader) -> None:
    source = ActingSource()
    source.usual = dict.fromkeys(["openai-gpt4", "anthropic-claude-opus", "middle"], ProviderUnavailableError("down"))
    source.usual["small"] = "机器学习是……"
    task_group_manager = TaskGroupManager(config_loader)
    polling_pool_manager = PollingPoolManager(task_group_manager)
    fallback_manager = EnhancedFallbackManager(task_group_manager, polling_pool_manager, source)
    result = await fallback_manager.execute_with_fallback(
        primary_target="fast_group.echelon1",
        fallback_groups=["fast_group.echelon2", "fast_group.echelon3"],
        prompt="请解释什么是机器学习？",
    )
    assert (result.content, result.model, result.cost_usd) == ("机器学习是……", "small", 0.0)
    assert result.attempts == len(result.failures) + 1
    statistics = fallback_manager.get_statistics()
    assert statistics["success_rate"] == 1.0
    assert fallback_manager.get_breaker_status()["openai-gpt4"]["state"] == "open"
    fallback_manager.reset_breaker("openai-gpt4")
    fallback_manager.open_breaker("small")
    assert fallback_manager.get_breaker_status()["small"]["state"] == "open"
    assert fallback_manager.get_history(1)[0]["model"] == "small"
    await fallback_manager.aclose()


async def test_a_failure_of_everything_is_raised(config_loader: ConfigLoader) -> None:
    source = ActingSource()
    source.usual["thinker"] = ProviderUnavailableError("the thinker is down")
    manager = EnhancedFallbackManager(TaskGroupManager(config_loader), source=source)
    with pytest.raises(ProviderUnavailableError, match="the thinker is down"):
        await manager.execute_with_fallback("thinking_group.echelon1", prompt="hm")
    await manager.aclose()


def test_status_of_every_part(config_loader: ConfigLoader) -> None:
    task_group_manager = TaskGroupManager(config_loader)
    status = task_group_manager.get_config_status()
    assert (status["loaded"], status["error"]) == (False, None)
    task_group_manager.load_config()
    assert task_group_manager.get_config_status()["version"] == 1
    gateway = Gateway(task_group_manager, ActingSource())
    concurrency_manager: ConcurrencyController = gateway.parts.controller
    levels = concurrency_manager.get_status()["levels"]
    assert levels["echelon:fast_group.echelon1"]["rpm_limit"] == 100
    assert levels["echelon:fast_group.echelon1"]["algorithm"] == "token_bucket"
