"""Who could answer, as the configuration and the models of this machine say."""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.routing import Candidate, default_rules, find_candidates
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.gateways import ask, gateway_of

RULES = default_rules()
CONFIG = """
models:
  eye-72b: {base_url: 'http://127.0.0.1:9/v1', tags: [vision, quick],
            price: {input_per_mtok: 4, output_per_mtok: 8}}
  numbers: {base_url: 'http://127.0.0.1:9/v1', model: qwen3-32b, supported_tasks: [calculation, 推理]}
  gone: {local: nowhere}
task_groups:
  small: {translation: {models: [numbers, eye-72b]}, level2: {models: [eye-72b]}}
  careful: {supported_tasks: [reasoning], level1: {models: [eye-72b]}}
  empty: {supported_tasks: [reasoning], level1: {models: [gone]}}
"""


async def found_in(config: str, folder: Path, *, broken: str = "") -> dict[str, Candidate]:
    models = ModelManager(folder / "models")
    models.scan_models()
    engine = InferenceEngine(models=models)
    async with gateway_of(config, folder) as gateway:
        if broken:
            gateway.open_breaker(broken)
        found = find_candidates(gateway, models, engine, RULES)
    await engine.aclose()
    return {one.name: one for one in found}


async def test_tags_and_supported_tasks_say_what_a_model_is_for(tmp_path: Path) -> None:
    found = await found_in(CONFIG, tmp_path)
    assert (found["eye-72b"].tasks, found["eye-72b"].sees) == (frozenset({"vision"}), True)
    assert found["numbers"].tasks == {"math", "reasoning"}


async def test_size_and_price_are_those_that_are_known(tmp_path: Path) -> None:
    found = await found_in(CONFIG, tmp_path)
    assert (found["eye-72b"].parameters, found["eye-72b"].usd) == (72e9, 0.006)
    assert (found["numbers"].parameters, found["numbers"].usd) == (32e9, None)


async def test_a_group_says_its_tasks_or_has_a_level_called_after_one(tmp_path: Path) -> None:
    found = await found_in(CONFIG, tmp_path)
    groups = {name: one.tasks for name, one in found.items() if one.kind == "group"}
    assert groups == {"small.translation": {"translation"}, "careful": {"reasoning"}}


async def test_a_model_that_is_not_here_is_no_candidate(tmp_path: Path) -> None:
    assert "gone" not in await found_in(CONFIG, tmp_path)


async def test_what_is_out_says_why_and_a_group_stands_on_the_members_that_are_left(tmp_path: Path) -> None:
    found = await found_in(CONFIG, tmp_path, broken="numbers")
    assert found["numbers"].out == "its circuit breaker is open"
    assert (found["small.translation"].out, found["small.translation"].parameters) == (None, 72e9)
    found = await found_in(CONFIG, tmp_path, broken="eye-72b")
    assert "none of its models" in (found["careful"].out or "")


async def test_how_long_answers_took_is_remembered_by_model(tmp_path: Path) -> None:
    async with gateway_of("{}", tmp_path) as gateway:
        assert gateway.parts.history.latencies() == {}
        await ask(gateway, "m")
        assert gateway.parts.history.latencies()["m"] >= 0


def test_tasks_of_a_declaration_are_checked_as_names() -> None:
    config = GroupsConfig.model_validate({"models": {"m": {"supported_tasks": ["math"]}}})
    assert config.declaration("m").supported_tasks == ("math",)
