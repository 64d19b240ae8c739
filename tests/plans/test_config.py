from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.groups.config_loader import parse_config as parse_groups
from multi_llm_comparator.plans.config import CooperationConfig, load_config, parse_config
from multi_llm_comparator.plans.roles import cast_one, cast_roles

ROOT = Path(__file__).parents[2]
KEY = "my-secret-key-123456"
MODELS = {"small_model": "mini", "large_model": "big", "router_model": "boss"}
URL = "https://one.example/v1"


def nothing_local(name: str) -> None:
    return None


def configured(**sections: Any) -> CooperationConfig:
    return parse_config({"models": MODELS, "system": {"task_groups": None}, **sections})


def test_the_example_works_as_it_is_on_the_demo_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = load_config("config.example.yaml")
    cast = cast_roles(config, lambda name: name if name.startswith("demo-") else None)
    executor = cast.options.executor
    assert (executor.small_model, executor.large_model, cast.options.router_model) == (
        "demo-small",
        "demo-large",
        "demo-planner",
    )
    assert (executor.threshold, executor.workers, cast.judge, cast.reach.keys) == (5, 10, None, {})
    assert executor.result_after == "="
    parse_groups(cast.reach.groups)


def test_a_configuration_with_every_key_of_the_documentation_is_read() -> None:
    text = """
models: {small_model: qwen2.5-3b-instruct, large_model: gpt-4o, router_model: qwen3-1.7b, enable_threshold: True,
  threshold: 5, use_local_router: True, local_router_model: saves/Qwen3-1.7B-Thinking/full/train}
api: {small_key_path: usage/qwen, large_key_path: usage/bianxie1, router_key_path: usage/local,
  small_api_base_url: "https://a.example/v1", large_api_base_url: "https://b.example/v1",
  router_api_base_url: "https://a.example/v1", local_router_base_url: "http://127.0.0.1:8000/v1"}
system: {workers: 10}
query: "Define all placements of the L-shaped tile within the 2x5 rectangle."
dataset: {enabled: True, path: dataset/TestData/MMLU-STEM.json, limit: 50,
  build: {enabled: False, use_models_for_execution: False, save_thinking: False}}
evaluation: {enabled: False, planner_enabled: False, executor_enabled: False, model: deepseek-chat,
  key_path: usage/deepseek2, api_base_url: "https://api.deepseek.com"}
"""
    config = parse_config(yaml.safe_load(text))
    assert config.dataset.limit == 50
    assert config.evaluation.model == "deepseek-chat"


def test_all_problems_are_told_at_once_with_their_places_and_what_is_allowed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(
            system={"wokers": 3, "workers": 0},
            dataset={"enabled": True},
            evaluation={"enabled": True},
            api={"small_api_base_url": "ftp://x"},
        )
    text = str(caught.value)
    for place in ("system.wokers", "system.workers", "dataset", "evaluation", "api.small_api_base_url"):
        assert f"configuration: {place}: " in text
    assert "questions_in_flight" in text and "'wokers'" in text
    assert "system.workers: must be at least 1 (given 0)" in text
    assert "Input should" not in text


@pytest.mark.parametrize(
    ("planner", "executor", "judged"),
    [
        (False, False, (True, True)),
        (True, False, (True, False)),
        (False, True, (False, True)),
        (True, True, (True, True)),
    ],
)
def test_an_evaluation_that_names_no_part_judges_both(planner: bool, executor: bool, judged: tuple[bool, bool]) -> None:
    section = {"enabled": True, "model": "judge", "planner_enabled": planner, "executor_enabled": executor}
    evaluation = configured(evaluation=section).evaluation
    assert (evaluation.judges_plans, evaluation.judges_answers) == judged
    evaluation = configured(evaluation={**section, "enabled": False}).evaluation
    assert not evaluation.judges_plans and not evaluation.judges_answers


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"config\.example\.yaml"):
        load_config(tmp_path / "config.yaml")


def test_a_local_model_is_taken_before_an_endpoint_and_a_group_before_both(tmp_path: Path) -> None:
    groups = tmp_path / "groups.yaml"
    groups.write_text("task_groups: {boss: {first: {models: [mini]}}}", encoding="utf-8")
    config = configured(
        system={"task_groups": str(groups)},
        api={"small_api_base_url": URL, "large_api_base_url": URL, "router_api_base_url": URL},
    )
    cast = cast_roles(config, lambda name: "pytorch/mini" if name == "mini" else None)
    parsed = parse_groups(cast.reach.groups)
    assert cast.options.executor.small_model == "pytorch/mini"
    assert cast.options.router_model == "boss"
    assert list(parsed.models) == ["big"]
    assert (parsed.models["big"].base_url, parsed.models["big"].model) == (URL, "big")


def test_names_that_stand_for_nothing_are_all_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        cast_roles(configured(), nothing_local)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "models.small_model",
        "models.large_model",
        "models.router_model",
    ]


def test_a_mistyped_name_is_blamed_where_it_was_typed_and_names_like_it_are_told() -> None:
    models = dict.fromkeys(("small_model", "large_model", "router_model"), "demo-smal")
    config = parse_config({"models": models, "system": {"task_groups": None}})
    for typed, place in (("demo-smal", "--model"), (None, "models.large_model")):
        with pytest.raises(ConfigurationError) as caught:
            cast_one(config, typed, nothing_local, ["demo-small", "demo-large", "other"])
        assert str(caught.value).startswith(f"{place}: 'demo-smal' is neither a model in ")
        assert str(caught.value).endswith("; did you mean 'demo-small' or 'demo-large'?")
    with pytest.raises(ConfigurationError, match=r"; known are other, some$"):
        cast_one(config, "zzz", nothing_local, ["other", "some"])


def test_keys_are_read_from_their_files_and_stand_in_no_declaration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n", encoding="utf-8")
    api = {f"{part}_key_path": str(tmp_path / "key") for part in ("small", "large", "router")}
    api |= {f"{part}_api_base_url": URL for part in ("small", "large", "router")}
    cast = cast_roles(configured(api=api), nothing_local)
    (variable,) = cast.reach.keys
    assert cast.reach.keys[variable].get_secret_value() == KEY
    assert {m["key"] for m in cast.reach.groups["models"].values()} == {f"env:{variable}"}
    assert KEY not in repr(cast)


@pytest.mark.parametrize("content", ["", "two words", None])
def test_a_key_file_that_is_none_is_an_error_that_does_not_repeat_its_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / KEY
    if content is not None:
        path.write_text(content, encoding="utf-8")
    api = {"small_api_base_url": URL, "small_key_path": str(path)}
    with pytest.raises(ConfigurationError, match=r"api\.small_key_path") as caught:
        cast_roles(configured(api=api), lambda name: None if name == "mini" else name)
    assert KEY not in str(caught.value)


def test_one_name_at_two_places_is_two_targets() -> None:
    models = {**MODELS, "small_model": "same", "large_model": "same"}
    api = {"small_api_base_url": URL, "large_api_base_url": "https://two.example/v1", "router_api_base_url": URL}
    cast = cast_roles(parse_config({"models": models, "api": api, "system": {"task_groups": None}}), nothing_local)
    executor = cast.options.executor
    declared = parse_groups(cast.reach.groups).models
    assert declared[executor.small_model].base_url == URL
    assert declared[executor.large_model].base_url == "https://two.example/v1"
    assert declared[executor.large_model].model == "same"


def test_the_local_router_plans_when_it_is_to() -> None:
    models = {**MODELS, "use_local_router": True, "local_router_model": "saves/own"}
    data = {"models": models, "api": {"local_router_base_url": "http://127.0.0.1:8000/v1"}}
    cast = cast_roles(parse_config(data), lambda name: None if name == "saves/own" else name)
    assert cast.options.router_model == "saves/own"
    assert parse_groups(cast.reach.groups).models["saves/own"].base_url == "http://127.0.0.1:8000/v1"


def test_a_single_model_needs_no_other_to_be_there() -> None:
    config = configured(api={"small_api_base_url": URL})
    reach, target = cast_one(config, "mini", nothing_local)
    assert (target, list(reach.groups["models"])) == ("mini", ["mini"])
    _, target = cast_one(config, "other", lambda name: name)
    assert target == "other"
