from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.presets import PRESETS, suggested
from multi_llm_comparator.training.tuning_options import tuning_options

LEAST = {"model_path": "/m", "data": {"source": "/d.json"}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", float("nan")),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("rank", 0),
        ("batch_size", 0),
        ("max_tokens", 7),
        ("seed", -1),
        ("method", "full"),
        ("schedule", "cosin"),
        ("evaluate_every", 0),
        ("targets", ["q_proj; import os"]),
        ("fixed_prompts", [""]),
        ("unknown", 1),
    ],
)
def test_an_option_out_of_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=name):
        tuning_options({**LEAST, name: value})


def test_options_come_back_from_their_own_data() -> None:
    options = tuning_options({**LEAST, "rank": 4, "targets": ("q_proj",), "evaluate_every": 7, "checkpointing": True})
    assert tuning_options(options.to_dict()) == options
    assert (options.scale_alpha, options.changed(alpha=3).scale_alpha, options.in_step) == (8.0, 3.0, 8)
    assert options.changed(batch_size=2, accumulation=4).in_step == 8


def facts(parameters: int) -> ModelFacts:
    return ModelFacts(parameters, parameters, 1000, 2, 64, 256, 1000, 1024, "float32")


def statistics(rows: int, longest: int = 300) -> DataStatistics:
    return DataStatistics(rows, rows * 100, rows * 50, longest, ((384, rows),))


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("rows", [1, 50, 1000, 50_000])
def test_what_is_suggested_suits_model_and_data(preset: str, rows: int) -> None:
    data = DataSpec(source="/d.json")
    small, large = (suggested("/m", data, facts(size), statistics(rows), preset) for size in (10**6, 7 * 10**9))
    assert small.learning_rate >= large.learning_rate
    assert small.max_tokens >= 300
    assert suggested("/m", data, facts(10**6), None, preset).data == data


def test_little_data_is_seen_more_often_than_much() -> None:
    data = DataSpec(source="/d.json")
    few, many = (suggested("/m", data, facts(10**8), statistics(rows)) for rows in (40, 50_000))
    assert few.epochs > many.epochs and few.batch_size < many.batch_size
    with pytest.raises(InvalidParameterError, match="preset"):
        suggested("/m", data, facts(10**8), None, "none such")
