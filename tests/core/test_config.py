from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.config import ConfigManager, ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, InvalidParameterError


def test_defaults_are_valid() -> None:
    ModelConfig().validate()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 0.005),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", "warm"),
        ("max_tokens", 0),
        ("max_tokens", 4097),
        ("max_tokens", True),
        ("top_p", 1.5),
        ("top_k", -1),
        ("repeat_penalty", 0.0),
        ("presence_penalty", 3.0),
        ("frequency_penalty", -2.5),
        ("min_p", 1.5),
        ("typical_p", -0.1),
        ("dry_multiplier", 6.0),
        ("logit_bias", {5: 101.0}),
        ("logit_bias", {-1: 1.0}),
        ("logit_bias", dict.fromkeys(range(1025), 1.0)),
        ("logit_bias", [5]),
        ("top_logprobs", 21),
        ("top_logprobs", True),
        ("enable_thinking", 1),
        ("thinking_budget", -1),
        ("n_ctx", 1),
        ("n_threads", 0),
        ("seed", -1),
        ("quantization", "2bit"),
        ("torch_dtype", "float8"),
        ("stop", ("",)),
        ("stop", ("x",) * 17),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field: str, value: Any) -> None:
    config = ModelConfig(**{field: value})
    with pytest.raises(InvalidParameterError, match=field):
        config.validate()


def test_refused_values_are_value_errors_as_documented() -> None:
    with pytest.raises(ValueError, match=r"between 0\.01 and 2\.0"):
        ModelConfig(temperature=3).validate()


def test_temperature_zero_means_greedy() -> None:
    config = ModelConfig(temperature=0)
    config.validate()
    assert config.is_greedy
    assert not ModelConfig().is_greedy


def test_the_bound_on_max_tokens_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    from multi_llm_comparator.core import settings

    monkeypatch.setenv("MLC_MAX_TOKENS_LIMIT", "9000")
    monkeypatch.setattr(settings, "_current", None)
    ModelConfig(max_tokens=9000).validate()
    with pytest.raises(InvalidParameterError, match="9000"):
        ModelConfig(max_tokens=9001).validate()


def test_a_single_stop_text_counts_as_a_list_of_one() -> None:
    assert ModelConfig(stop="\n").stop == ("\n",)  # type: ignore[arg-type]


configs = st.builds(
    ModelConfig,
    temperature=st.one_of(st.just(0.0), st.floats(0.01, 2.0)),
    max_tokens=st.integers(1, 4096),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 1000),
    seed=st.one_of(st.none(), st.integers(0, 2**32 - 1)),
    stop=st.lists(st.text(min_size=1, max_size=20), max_size=4).map(tuple),
    system_prompt=st.text(max_size=50),
)


@given(config=configs)
def test_saved_configurations_come_back_equal(tmp_path_factory: pytest.TempPathFactory, config: Any) -> None:
    manager = ConfigManager(tmp_path_factory.mktemp("config") / "config.json")
    manager.save_config({"ab12": config})
    assert manager.load_config() == {"ab12": config}


def test_an_absent_file_holds_no_configurations(tmp_path: Path) -> None:
    assert ConfigManager(tmp_path / "new" / "config.json").load_config() == {}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "JSON"),
        ("[]", "one object"),
        ('{"ab12": 3}', "ab12"),
        ('{"ab12": {"heat": 1}}', "heat"),
        ('{"ab12": {"temperature": 9}}', "temperature"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=says) as caught:
        ConfigManager(path).load_config()
    assert "config.json" in str(caught.value)


def test_a_failed_save_leaves_the_old_file_whole(tmp_path: Path) -> None:
    manager = ConfigManager(tmp_path / "config.json")
    manager.save_config({"ab12": ModelConfig(seed=1)})
    with pytest.raises(TypeError):
        manager.save_config({"ab12": ModelConfig(seed=object())})  # type: ignore[arg-type]
    assert json.loads(manager.config_path.read_text(encoding="utf-8"))["ab12"]["seed"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]


def test_what_few_ask_for_is_left_out_of_plain_data_where_it_is_as_usual() -> None:
    assert not {"min_p", "logit_bias", "top_logprobs", "enable_thinking"} & ModelConfig().to_dict().keys()
    asked = ModelConfig(min_p=0.1, logit_bias={7: -100.0}, top_logprobs=0, enable_thinking=False, thinking_budget=5)
    # JSON's names are texts.
    assert ModelConfig.from_dict(json.loads(json.dumps(asked.to_dict()))) == asked
    assert asked.to_dict()["top_logprobs"] == 0
