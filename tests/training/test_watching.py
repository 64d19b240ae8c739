"""What is watched while a model learns: when it is enough, which rows are easy and hard, and what options change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from multi_llm_comparator.core.exceptions import TrainingError
from multi_llm_comparator.training import lora
from multi_llm_comparator.training.tuning_result import TuningResult
from tests.training.tunings import PAIRS, Told, options_for


def tuned(folder: Path, **changes: Any) -> tuple[TuningResult, Told]:
    data, told = folder / "pairs.json", Told()
    data.write_text(json.dumps(PAIRS), encoding="utf-8")
    return lora.tune(options_for(data, **changes), folder / "work", told, adapter=folder / "adapter"), told


def test_it_ends_early_where_rows_that_are_not_learnt_get_no_better_and_shows_the_best_and_the_worst(
    tmp_path: Path,
) -> None:
    # A rate that ruins what the model knew.
    result, told = tuned(
        tmp_path,
        epochs=20,
        learning_rate=1.0,
        schedule="constant",
        validation_share=0.3,
        evaluate_every=1,
        early_stopping_patience=2,
        sample_tokens=4,
    )
    best = result.state.best_step
    assert result.is_done and best is not None and result.step == best + 2 < result.steps
    assert min(loss for _, loss in told.curve("validation_loss")) == result.state.best_loss
    last = [sample for sample in told.samples if sample.step == result.step]
    scores = {kind: [s.score for s in last if s.kind == kind and s.score is not None] for kind in ("best", "worst")}
    assert len(scores["best"]) == len(scores["worst"]) == 2
    assert max(scores["best"]) <= min(scores["worst"])
    assert all(sample.reference == "blue" for sample in last)


def test_the_rate_rises_and_falls_as_was_chosen_and_named_layers_alone_get_adapters(tmp_path: Path) -> None:
    _, told = tuned(tmp_path, learning_rate=1e-3, schedule="linear", warmup_share=0.5, targets=("q_proj",))
    rates = [rate for _, rate in told.curve("learning_rate")]
    highest = rates.index(max(rates))
    assert 0 < highest < len(rates) - 1 and max(rates) <= 1e-3
    assert rates[: highest + 1] == sorted(rates[: highest + 1])
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    with safe_open(tmp_path / "adapter" / "adapter_model.safetensors", "pt") as file:
        names = list(file.keys())
    assert names and all("q_proj" in name for name in names)


def test_layers_that_the_model_does_not_have_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"adapters cannot be put beside \['w_proj'\]"):
        tuned(tmp_path, targets=("w_proj",))
