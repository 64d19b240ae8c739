"""What a tuning asks of the machine that it runs on, as a job of the queue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from multi_llm_comparator.services import devices
from multi_llm_comparator.training import base_model
from multi_llm_comparator.training import tuning_spec as module
from multi_llm_comparator.training.base_model import computes_in, computes_on_gpu
from multi_llm_comparator.training.estimate import USABLE, estimate, most_bytes, usable_bytes
from multi_llm_comparator.training.tuning_spec import Elsewhere, tuning_spec
from tests.training.test_estimate import FREE, ROWS, SMALL, options


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A driver that knows two GPUs, of which the second is nearly full, and a torch that is built for them."""
    told = {"utilization": ["0, 8192, 24576, 0", "1, 24000, 24576, 0"], "index": ["0, 24576", "1, 24576"]}
    monkeypatch.setattr(
        devices, "_nvidia_smi", lambda query: next((lines for word, lines in told.items() if word in query), [])
    )
    monkeypatch.setattr(base_model, "torch_runs_on_gpu", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    devices.gpus.cache_clear()
    yield
    devices.gpus.cache_clear()


def test_without_a_gpu_it_asks_for_as_much_free_memory_as_it_will_then_plan_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "work_limit_bytes", lambda: 10**11)
    expected = estimate(options(), ROWS, SMALL, available_bytes=FREE)
    needs = tuning_spec("one", options(), expected).needs
    assert (
        needs.gpus == needs.gpu_memory_bytes == 0
        and needs.memory_bytes * USABLE >= expected.peak_bytes > needs.memory_bytes * 0.9
    )
    monkeypatch.setattr(module, "work_limit_bytes", lambda: expected.peak_bytes)
    assert tuning_spec("one", options(), expected).needs.memory_bytes == expected.peak_bytes
    assert tuning_spec("one", options(), None).needs.memory_bytes == 0


@pytest.mark.usefixtures("gpu")
def test_where_torch_computes_on_a_gpu_it_asks_for_one_and_fits_into_its_memory() -> None:
    assert usable_bytes(2) == int(16384 * 2**20 * USABLE)
    expected = estimate(options(), ROWS, SMALL)
    assert expected.on_gpu and expected.available_bytes == usable_bytes()
    spec = tuning_spec("one", options(), expected)
    assert spec.needs.gpus == 1
    assert spec.needs.gpu_memory_bytes * USABLE >= expected.peak_bytes > spec.needs.gpu_memory_bytes * 0.9
    assert expected.ram_bytes == expected.parts["process"] + expected.parts["weights"]
    assert expected.ram_bytes <= spec.needs.memory_bytes < expected.peak_bytes
    assert expected.seconds < 200


def test_what_does_not_fit_now_may_wait_and_what_never_fits_may_not() -> None:
    expected = estimate(options(), ROWS, SMALL, available_bytes=10**8)
    assert not expected.fits and expected.fits_in(expected.peak_bytes) and not expected.fits_in(expected.peak_bytes - 1)
    assert usable_bytes() <= most_bytes()


@pytest.mark.usefixtures("gpu")
def test_a_job_that_is_shown_no_gpu_knows_that_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_model, "multiplies_bfloat16", lambda: False)
    assert computes_on_gpu() and computes_in(options(), stored="bfloat16") == "bfloat16"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not computes_on_gpu() and computes_in(options(), stored="bfloat16") == "float32"


def test_on_a_cluster_it_asks_for_what_it_is_given_there() -> None:
    spec = tuning_spec("one", options(), None, Elsewhere("http://10.0.0.5:8265", gpus=1))
    assert (spec.backend, spec.address, spec.needs.gpus) == ("ray", "http://10.0.0.5:8265", 1)
