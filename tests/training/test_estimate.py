from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, ModelLoadError
from multi_llm_comparator.training.base_model import computes_in
from multi_llm_comparator.training.cost_process import FEW, MORE, Measured, costs_of
from multi_llm_comparator.training.costs import Costs
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.training.estimate import AROUND_KEPT, IN_A_JOB, KERNEL_BYTES, Estimate, estimate, together
from multi_llm_comparator.training.model_facts import ModelFacts, model_facts
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options
from tests.training.tunings import DEMO

FREE = 16 * 10**9
SMALL = ModelFacts(135_000_000, 106_000_000, 300_000, 30, 576, 1536, 49_152, 8192, "bfloat16")
MEASURED = Costs(
    layer_s=1e-5,
    pass_layer_s=0.001,
    head_s=1e-5,
    step_layer_s=0.0,
    answer_layer_s=0.002,
    answer_s=0.001,
    kept_bytes=40_000,
    start_s=10.0,
    process_bytes=600 * 10**6,
)
ROWS = DataStatistics(1000, 200_000, 150_000, 900, ((1024, 1000),))


def options(**changes: Any) -> TuningOptions:
    return tuning_options({"model_path": "/m", "data": {"source": "/d.json", "split": {"share": 0.0}}, **changes})


def expected(**changes: Any) -> Estimate:
    return estimate(options(**changes), ROWS, SMALL, available_bytes=FREE)


def test_facts_are_read_without_torch_from_headers_and_configuration(tmp_path: Path) -> None:
    facts = model_facts(DEMO)
    assert (facts.layers, facts.width, facts.feed_forward, facts.vocabulary) == (5, 128, 256, 1648)
    assert 0 < facts.linear_parameters < facts.parameters < 2_000_000
    assert facts.context == 1024 and facts.dtype == "float16"
    with pytest.raises(ModelLoadError):
        model_facts(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    with pytest.raises(ModelLoadError, match="does not say how large"):
        model_facts(tmp_path)


def test_more_of_anything_needs_no_less() -> None:
    usual = expected()
    assert usual.fits and usual.peak_bytes == sum(usual.parts.values()) and not usual.is_measured
    assert expected(pack_tokens=2048).peak_bytes > usual.peak_bytes
    assert expected(dropout=0.05).peak_bytes > usual.peak_bytes
    assert expected(rank=64).peak_bytes > usual.peak_bytes
    assert expected(precision="float32").peak_bytes > expected(precision="bfloat16").peak_bytes
    assert expected(epochs=6).seconds > usual.seconds
    assert expected(checkpointing=True).peak_bytes < usual.peak_bytes
    assert expected(checkpointing=True).seconds > usual.seconds
    assert expected(method="qlora").parts["weights"] < usual.parts["weights"]
    assert expected(epochs=3, batch_size=8).steps == 375


def test_it_is_recomputed_where_it_would_not_fit_otherwise_and_refused_where_it_cannot() -> None:
    plain = expected()
    tight = estimate(options(), ROWS, SMALL, available_bytes=plain.peak_bytes - 10**8)
    assert tight.fits and tight.checkpointing and not plain.checkpointing
    forbidden = estimate(options(checkpointing=False), ROWS, SMALL, available_bytes=plain.peak_bytes - 10**8)
    assert not forbidden.fits
    none = estimate(options(), ROWS, SMALL, available_bytes=10**8)
    with pytest.raises(InsufficientMemoryError, match=r"tuning 'm' needs about \d\.\d GB, most of it for") as caught:
        none.check_fits("m")
    assert caught.value.needed_bytes == none.peak_bytes and caught.value.available_bytes == 10**8


def test_what_was_measured_counts() -> None:
    found = estimate(options(epochs=1), ROWS, SMALL, MEASURED, FREE)
    assert found.is_measured
    bytes_of_a_number = 2 if computes_in(options(), stored=SMALL.dtype) == "bfloat16" else 4
    kept, fixed = AROUND_KEPT[bytes_of_a_number] * 40_000 * 30 * 1024, KERNEL_BYTES + 0.5 * found.parts["weights"]
    assert found.parts["activations"] == pytest.approx(kept + fixed, rel=1e-6)
    assert found.parts["process"] == 600 * 10**6
    work = IN_A_JOB * (200_000 * 30 * 1e-5 + 150_000 * 1e-5) + 125 * 2 * 30 * 0.001 + 10
    assert work < found.seconds < work + 10
    double = estimate(options(epochs=1), ROWS, SMALL, replace(MEASURED, layer_s=2e-5), FREE)
    assert double.seconds > found.seconds + 200_000 * 30 * 1e-5 - 1


def test_rows_one_at_a_time_and_evaluations_take_longer() -> None:
    def seconds(**changes: Any) -> float:
        return estimate(options(epochs=1, **changes), ROWS, SMALL, MEASURED, FREE).seconds

    assert seconds(packing=False) > seconds() + (1000 - 2 * 125) * 30 * 0.001 - 1
    asked = {"fixed_prompts": ["Why?"], "evaluate_every": 25, "sample_tokens": 100}
    answers = 6 * 100 * (30 * 0.002 + 0.001)
    assert seconds(**asked) == pytest.approx(seconds() + answers, rel=0.01)
    aside = {"data": {"source": "/d.json", "split": {"share": 0.5}}, "evaluate_every": 25, "sample_tokens": 1}
    assert seconds(**aside) > seconds() + 6 * 0.3 * (200_000 * 30 * 1e-5) / 2


def test_what_a_layer_costs_is_told_from_long_and_short_passes_of_few_and_more_layers() -> None:
    def measured(layers: int) -> Measured:
        return Measured(
            layers=layers,
            long_s=layers * (0.01 + 1000 * 1e-5) + 0.5,
            short_s=layers * (0.01 + 100 * 1e-5) + 0.05,
            step_s=layers * 0.002 + 0.001,
            answer_s=layers * 0.003 + 0.004,
            kept_bytes=layers * 1000 * 7 + 900,
            learnt=500,
        )

    found = costs_of(measured(FEW), measured(MORE), 1000, 100, 9.0, 5)
    wanted = Costs(1e-5, 0.01, 0.001, 0.002, 0.003, 0.004, 7, 9.0, 5)
    assert asdict(found) == pytest.approx(asdict(wanted))


@given(
    st.integers(1, 5000),
    st.integers(2, 4000),
    st.integers(1, 64),
    st.sampled_from(["lora", "qlora", "dpo"]),
    st.booleans(),
)
def test_an_estimate_is_always_whole(rows: int, longest: int, batch: int, method: str, packing: bool) -> None:
    statistics = DataStatistics(rows, rows * longest, rows, longest, ((longest, rows),))
    chosen = options(batch_size=batch, method=method, packing=packing, max_tokens=8192)
    found = estimate(chosen, statistics, SMALL, available_bytes=FREE)
    assert found.peak_bytes > 0 and found.seconds > 0 and found.steps >= 1
    assert all(size >= 0 for size in found.parts.values())
    assert found.fits == (found.peak_bytes <= FREE)
    assert together(chosen, statistics) >= longest
