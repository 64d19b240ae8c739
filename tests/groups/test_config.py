"""The configuration file: what it may say and how it says what is wrong."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.groups import ConfigLoader, TaskGroupManager
from multi_llm_comparator.groups.config_loader import parse_config, read_yaml
from tests.support.gateways import Given

ROOT = Path(__file__).parents[2]


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_config(data, "file.yaml")
    return str(caught.value).splitlines()


def test_every_problem_is_named_at_once_with_file_place_and_what_is_allowed() -> None:
    found = problems(
        {
            "models": {"m": {"base_url": "ftp://x"}, "fast.e": {}},
            "task_groups": {
                "fast": {
                    "e": {"models": ["m"], "rpm_limit": -1, "rpm_limt": 5},
                    "fallback_strategy": "upwards",
                    "fallback_groups": ["fst"],
                },
                "empty": {"description": "no echelon"},
            },
            "polling_pools": {"p": {"task_groups": ["fast", "nowhere"]}},
            "nodes": {"n": {"config": {"llm_group": "nothing"}}},
            "extra": 1,
        }
    )
    said = "\n".join(found)
    assert all(line.startswith("file.yaml: ") for line in found)
    for part in (
        "models.m.base_url: must be an http:// or https:// address",
        "task_groups.fast.e.rpm_limit: must be more than 0 (given -1)",
        "task_groups.fast.e.rpm_limt: unknown key 'rpm_limt'; allowed are concurrency_limit, ",
        "task_groups.fast.fallback_strategy: must be 'echelon_down', 'model_rotate',",
        "task_groups.empty: a group needs at least one level, such as 'level1: {models: [NAME]}'",
        "models.fast.e: reads as an echelon of the group 'fast'",
        "task_groups.fast.fallback_groups: nothing is named 'fst'; did you mean 'fast' or 'fast.e'?",
        "polling_pools.p.task_groups: no group named 'nowhere'",
        "nodes.n.config: nothing is named 'nothing'",
        "extra: unknown key 'extra'; allowed are gateway, models, nodes, polling_pools, task_groups",
    ):
        assert part in said


def test_no_message_speaks_of_what_checks_the_file() -> None:
    """Whatever a file says wrongly: its words are for who wrote it, not for who wrote the check."""
    wrong: tuple[Any, ...] = (None, True, -1, 1.5, "", "a b", [], ["x"], {}, {"x": 1}, "x" * 1000)
    for section in ("gateway", "models", "task_groups", "polling_pools", "nodes"):
        for value in wrong:
            for data in ({section: value}, {section: {"n": value}}, {section: {"n": {"m": value, "models": value}}}):
                with contextlib.suppress(ConfigurationError):
                    parse_config(data)
                    continue
                said = "\n".join(problems(data))
                assert not re.search(r"Input|Dictionary|Tuple|valid (integer|string|number)|validation", said), said


def test_a_section_with_nothing_below_it_means_its_defaults() -> None:
    assert parse_config({"models": None, "task_groups": None}).task_groups == {}


def test_what_takes_two_values_to_see_shows_beside_a_wrong_value() -> None:
    found = problems(
        {
            "models": {
                "m": {"model": "x", "key": "env:A", "rpm_limit": -1},
                "n": {"base_url": "http://x", "local": "y", "weight": 0},
            },
            "task_groups": {"g": {"e": {"models": ["a", "b", "a", "b", ""]}}},
        }
    )
    for part in (
        "models.m.rpm_limit: must be more than 0",
        "models.m: 'key' is for an endpoint",
        "models.m: 'model' is for an endpoint",
        "models.n.weight: ",
        "models.n: 'local' and 'base_url' exclude each other",
        "task_groups.g.e.models: 'a' is listed twice",
        "task_groups.g.e.models: 'b' is listed twice",
        "task_groups.g.e.models.4: must not be empty",
    ):
        assert any(part in line for line in found), part


@pytest.mark.parametrize("field", ["budget", "description", "fallback_groups"])
def test_a_groups_own_field_is_no_echelon(field: str) -> None:
    group = {"budget": {"per_day_usd": 1.0}, "e": {"models": ["m"]}}
    data = {"task_groups": {"g": group}, "nodes": {"n": {"config": {"llm_group": f"g.{field}"}}}}
    assert f"nodes.n.config: nothing is named 'g.{field}'" in "\n".join(problems(data))


def test_echelons_may_be_gathered_under_their_own_key() -> None:
    groups = {"g": {"echelons": {"e": {"models": ["m"]}}}}
    config = parse_config({"task_groups": groups, "nodes": {"n": {"config": {"llm_group": "g.e"}}}})
    assert list(config.task_groups["g"].echelons) == ["e"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"models": {"m": {"model": "x"}}}, "'model' is for an endpoint"),
        ({"models": {"m": {"base_url": "http://u:p@x/v1"}}}, "no user, password or query"),
        ({"models": {"m": {"base_url": "http://x", "local": "y"}}}, "exclude each other"),
        ({"task_groups": {"a.b": {"e": {"models": ["m"]}}}}, "task_groups.a.b: must be a name without spaces and dots"),
        ({"task_groups": {"g": {"e": {"models": ["m", "m"]}}}}, "'m' is listed twice"),
        ({"task_groups": {"g": {"e": {"models": []}}}}, "task_groups.g.e.models: is empty; give at least one entry"),
        (
            {"task_groups": {"g": {"e": {"models": ["m"], "rpm_limit": True}}}},
            "rpm_limit: must be a whole number (given True)",
        ),
        ({"models": {"g": {}}, "task_groups": {"g": {"e": {"models": ["m"]}}}}, "the name 'g' is taken by models"),
        (
            {
                "task_groups": {"g": {"e": {"models": ["m"]}}},
                "polling_pools": {"p": {"task_groups": ["g"]}, "q": {"task_groups": ["g"]}},
            },
            "the group 'g' belongs to the pool 'p' already",
        ),
        ({"gateway": {"redis_url": "redis://:password@host"}}, "redis_url: must be 'env:NAME', or an address"),
        ({"models": {"m": {"base_url": "http://x", "key": "sk-1"}}}, "models.m.key: must be 'env:NAME'"),
        ({"task_groups": {"g": {"e": {"models": "m"}}}}, "task_groups.g.e.models: must be a list, such as"),
        ({"task_groups": {"g": {"e": {}}}}, "task_groups.g.e.models: is missing; give it"),
        (
            {"task_groups": {"g": {"e": {"models": ["m"], "timeout": "soon"}}}},
            "timeout: must be a number (given 'soon')",
        ),
        ({"models": []}, "models: must hold names and values, indented below it"),
    ],
)
def test_a_mistake_is_explained(data: dict[str, Any], said: str) -> None:
    assert said in "\n".join(problems(data))


@pytest.mark.parametrize("place", ["key", "base_url"])
def test_a_key_in_the_wrong_place_is_not_repeated(place: str) -> None:
    said = "\n".join(problems({"models": {"m": {"base_url": "http://x/v1", place: "sk-secret-123456"}}}))
    assert "sk-secret-123456" not in said


def test_of_thousands_of_mistakes_the_first_are_told() -> None:
    groups: dict[str, Any] = {f"group-{i}": {"e": {"models": ["m"]}} for i in range(3_000)}
    groups["g"] = {"e": {"models": ["m"]}, "fallback_groups": [f"gruop-{i}" for i in range(15_000)]}
    found = problems({"task_groups": groups})
    assert len(found) == 21
    assert "nothing is named 'gruop-0'; did you mean" in found[0]
    assert found[-1] == "file.yaml: ... and 14980 more"


def test_a_name_as_long_as_a_book_is_neither_compared_nor_repeated() -> None:
    group = {"e": {"models": ["m" * 300_000]}, "fallback_groups": ["n" * 300_000]}
    assert max(map(len, problems({"task_groups": {"g": group}}))) < 1_000


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
sections = st.sampled_from(["models", "task_groups", "polling_pools", "nodes", "gateway", "x"])


@settings(max_examples=60)
@given(st.dictionaries(sections, json_values, max_size=5))
def test_any_data_is_a_configuration_or_a_configuration_error(data: dict[str, Any]) -> None:
    try:
        parse_config(data)
    except ConfigurationError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "not readable as YAML"),
        ("- a\n- b", "must hold names and values"),
        ("models: {m: {}, m: {}}", "the key 'm' stands twice"),
        ("models: !!python/object/apply:os.system [ls]", "not readable as YAML"),
        ("a: " + "x" * (1 << 20), "larger than"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=said) as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_a_key_in_a_broken_file_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "file.yaml"
    path.write_text('models:\n  m:\n    base_url: http://x/v1\n    key: "sk-secret-123456\n')
    with pytest.raises(ConfigurationError, match=r"line \d+, column \d+") as caught:
        read_yaml(path)
    assert "sk-secret" not in str(caught.value)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        TaskGroupManager(tmp_path).load_config()


def test_the_example_configuration_is_valid_and_has_every_group() -> None:
    manager = TaskGroupManager(ConfigLoader(ROOT / "configs"))
    config = manager.load_config()
    tasks = ("fast", "plan", "thinking", "execute", "review", "high-payload")
    small = ("fast", "translation", "analysis", "execute", "thinking")
    assert {f"{task}_group" for task in tasks} <= set(config.task_groups)
    assert set(small) <= {name for g in config.task_groups.values() for name in g.echelons} | {"fast"}
    assert set(manager.get_config_status()["undeclared_models"]) == set()


def test_what_the_example_shows_in_comments_is_valid_too() -> None:
    """Removing the comment signs before the remote models gives a configuration that loads."""
    text = (ROOT / "configs/llms/groups/_task_groups.yaml").read_text(encoding="utf-8")
    config = parse_config(yaml.safe_load(text.replace("# | ", "")))
    assert any(model.is_remote for model in config.models.values())


def test_references_resolve_to_models_and_fallbacks() -> None:
    manager = TaskGroupManager(
        Given(
            "task_groups: {g: {e1: {models: [a, b]}, e2: {models: [b, c.d], priority: 0}}, h: {e: {models: [x]},"
            " fallback_strategy: group_switch, fallback_groups: [g]}}"
        )
    )
    assert manager.get_models_for_group("g") == ["b", "c.d", "a"]
    assert manager.get_models_for_group("g.e1") == ["a", "b"]
    assert manager.get_fallback_groups("g") == ["g.e1"]
    assert manager.get_fallback_groups("h.e") == ["g.e2", "g.e1"]
    assert manager.parse_group_reference("g.e2") == ("g", "e2")
    assert [c.model for c in manager.route("c.d").stages[0].candidates] == ["c.d"]
    with pytest.raises(Exception, match=r"no group named 'c.d'; known are g, h"):
        manager.get_models_for_group("c.d")
