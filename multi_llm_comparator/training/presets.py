"""Options that suit a size of model and an amount of data, for who does not want to choose."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.model_facts import ModelFacts
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options

TINY_PARAMETERS = 20_000_000
SMALL_PARAMETERS = 700_000_000
FEW_ROWS, SOME_ROWS = 200, 2_000
# Steps below which adapters have hardly moved, whatever the rate.
LEAST_STEPS = 60
MAX_SUGGESTED_EPOCHS = 10.0

# What a person may choose by name; fields not named are as usual.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {"epochs": 1.0, "rank": 4, "keep_best": False},
        "balanced": {},
        "thorough": {"epochs": 5.0, "rank": 32, "dropout": 0.05, "early_stopping_patience": 3},
        "careful": {"learning_rate": 5e-5, "epochs": 2.0, "dropout": 0.05, "warmup_share": 0.1},
    }
)


def suggested(
    model_path: str, data: DataSpec, facts: ModelFacts, statistics: DataStatistics | None, preset: str = "balanced"
) -> TuningOptions:
    """Options for this model and this data.

    Small models take higher rates: their weights are larger beside what an adapter adds. Little data is seen more
    often, in smaller steps, with dropout; much data once or twice. Whatever a preset says itself stays.

    Args:
        statistics: None when the data was not counted yet.
        preset: a name of :data:`PRESETS`.

    Raises:
        InvalidParameterError: there is no such preset.
    """
    if preset not in PRESETS:
        return tuning_options({"model_path": model_path, "data": data, "preset": preset})
    chosen: dict[str, Any] = {"learning_rate": _rate(facts.parameters), "rank": 16}
    if facts.parameters < TINY_PARAMETERS:
        # Adapters of every layer are small then; a higher rank costs nothing.
        chosen["rank"] = 32
    if statistics is not None and statistics.rows:
        chosen |= _by_data(statistics)
    return tuning_options({"model_path": model_path, "data": data, **chosen, **PRESETS[preset]})


def _rate(parameters: int) -> float:
    if parameters < TINY_PARAMETERS:
        return 2e-3
    return 4e-4 if parameters < SMALL_PARAMETERS else 2e-4


def _by_data(statistics: DataStatistics) -> dict[str, Any]:
    rows = statistics.rows
    batch = 4 if rows < FEW_ROWS else 8 if rows < SOME_ROWS else 16
    usual = 3.0 if rows < SOME_ROWS else 2.0 if rows < 10 * SOME_ROWS else 1.0
    steps = rows / batch
    epochs = min(MAX_SUGGESTED_EPOCHS, max(usual, round(LEAST_STEPS / steps)))
    return {
        "batch_size": batch,
        "epochs": epochs,
        "dropout": 0.05 if rows < FEW_ROWS else 0.0,
        "max_tokens": max(64, min(2**20, 1 << max(0, statistics.longest - 1).bit_length())),
        "pack_tokens": max(1024, min(2**20, statistics.longest)),
    }
