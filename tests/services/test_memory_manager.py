from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core import cpus
from multi_llm_comparator.core.exceptions import InsufficientMemoryError, InvalidParameterError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services import devices
from multi_llm_comparator.services.memory_manager import Footprint, MemoryEstimate, MemoryManager, MemoryMode

GB = 10**9


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What follows speaks of a machine without a GPU, wherever it runs."""
    devices.gpus.cache_clear()
    monkeypatch.setattr(devices, "_nvidia_smi", lambda query: [])
    yield
    devices.gpus.cache_clear()


@pytest.fixture
def fast_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that has instructions for it, whatever the tests run on."""
    monkeypatch.setattr(cpus, "computes_bfloat16", lambda: True)


def needing(gb: float, device: str = "cpu") -> MemoryEstimate:
    return MemoryEstimate(int(gb * GB), 0, 0, device)


def loaded(key: str, gb: float, idle_since: float | None, device: str = "cpu") -> Footprint:
    return Footprint(key, device, int(gb * GB), idle_since)


def model(kind: ModelType, size: int = 0, **config: Any) -> ModelInfo:
    return ModelInfo("", "m", f"m-{kind.value}", kind, size, config)


GGUF = {"weight_bytes": GB, "kv_bytes_per_token": 1000, "hidden_size": 0, "vocab_size": 0}
TORCH: dict[str, Any] = {
    "weight_bytes": 2 * GB,
    "parameters": GB,
    "linear_parameters": 9 * GB // 10,
    "stored_dtype": "BF16",
    "dtype": "BF16",
    "kv_bytes_per_token": 1000,
}


def test_what_fits_needs_nobody_to_leave() -> None:
    manager = MemoryManager(max_memory_gb=10)
    assert manager.plan_load(needing(4), [loaded("a", 3, None), loaded("b", 3, 1.0)]) == ()


def test_the_least_recently_used_idle_models_leave_first_and_only_as_many_as_needed() -> None:
    manager = MemoryManager(max_memory_gb=10)
    held = [loaded("new", 3, 30.0), loaded("busy", 1, None), loaded("old", 3, 10.0), loaded("middle", 3, 20.0)]
    assert manager.plan_load(needing(3), held) == ("old",)
    assert manager.plan_load(needing(6), held) == ("old", "middle")


def test_a_model_that_can_never_fit_is_refused_with_the_numbers() -> None:
    manager = MemoryManager(max_memory_gb=4)
    with pytest.raises(InsufficientMemoryError, match=r"needs 9\.00 GB .*4\.00 GB of at most 4\.00 GB") as caught:
        manager.plan_load(needing(9), [loaded("idle", 3, 1.0)])
    assert (caught.value.needed_bytes, caught.value.available_bytes) == (9 * GB, 4 * GB)
    assert not manager.must_wait(needing(9), [loaded("busy", 3, None)])


def test_auto_waits_for_busy_models_and_parallel_refuses_at_once() -> None:
    held = [loaded("busy", 3, None)]
    modes: tuple[tuple[MemoryMode, bool], ...] = (("auto", True), ("parallel", False))
    for mode, waits in modes:
        manager = MemoryManager(max_memory_gb=4, mode=mode)
        with pytest.raises(InsufficientMemoryError, match="1 busy model"):
            manager.plan_load(needing(3), held)
        assert manager.must_wait(needing(3), held) is waits


def test_one_at_a_time_keeps_a_single_model_even_if_more_would_fit() -> None:
    manager = MemoryManager(max_memory_gb=100, mode="one_at_a_time")
    assert manager.plan_load(needing(1), [loaded("a", 1, 1.0), loaded("b", 1, 2.0)]) == ("a", "b")
    held = [loaded("busy", 1, None)]
    with pytest.raises(InsufficientMemoryError):
        manager.plan_load(needing(1), held)
    assert manager.must_wait(needing(1), held)


def test_memory_is_counted_per_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_nvidia_smi", lambda query: ["0, 10000", "1, 20000"])
    devices.gpus.cache_clear()
    manager = MemoryManager(max_memory_gb=4)
    assert manager.limit_bytes("cuda:0") == manager.limit_bytes("cuda") == int(10000 * 2**20 * 0.9)
    assert manager.limit_bytes("cpu") == 4 * GB
    on_gpu = [loaded("gpu", 9, 1.0, "cuda")]
    assert manager.plan_load(needing(3), on_gpu) == ()
    assert manager.plan_load(needing(3, "cuda:0"), on_gpu) == ("gpu",)
    assert manager.plan_load(needing(3, "cuda:1"), on_gpu) == ()


@given(
    need=st.integers(0, 20),
    held=st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.floats(0, 100))), max_size=6),
    mode=st.sampled_from(["auto", "parallel", "in_turn", "one_at_a_time"]),
)
def test_a_plan_always_fits_unloads_only_idle_models_and_waiting_can_succeed(need: Any, held: Any, mode: Any) -> None:
    manager = MemoryManager(max_memory_gb=10, mode=mode)
    footprints = [loaded(str(i), gb, since) for i, (gb, since) in enumerate(held)]
    estimate = needing(need)
    try:
        leaving = manager.plan_load(estimate, footprints)
    except InsufficientMemoryError:
        if manager.must_wait(estimate, footprints):
            idle = [Footprint(f.key, f.device, f.bytes, f.idle_since or 0.0) for f in footprints]
            manager.plan_load(estimate, idle)
        return
    staying = [f for f in footprints if f.key not in leaving]
    assert all(f.idle_since is not None for f in footprints if f.key in leaving)
    if leaving or need:
        assert estimate.total_bytes + sum(f.bytes for f in staying) <= 10 * GB
    if mode == "one_at_a_time":
        assert staying == []


def test_without_a_limit_it_is_a_share_of_the_ram_and_no_more_than_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryManager()
    assert manager.limit_bytes("cpu") == int(devices.ram_bytes() * 0.8)
    monkeypatch.setattr("multi_llm_comparator.services.memory_manager.free_ram_bytes", lambda: GB)
    with pytest.raises(InsufficientMemoryError, match=r"1\.00 GB of at most"):
        manager.plan_load(needing(2), [])
    assert MemoryManager(max_memory_gb=8).plan_load(needing(2), []) == ()


def test_free_memory_that_a_loading_model_will_take_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "multi_llm_comparator.services.memory_manager"
    monkeypatch.setattr(f"{module}.ram_bytes", lambda: 100 * GB)
    monkeypatch.setattr(f"{module}.free_ram_bytes", lambda: 10 * GB)
    manager = MemoryManager()
    loading = Footprint("loading", "cpu", 6 * GB, None, coming_bytes=5 * GB)
    assert manager.plan_load(needing(5), [loading]) == ()
    with pytest.raises(InsufficientMemoryError, match=r"5\.00 GB of at most"):
        manager.plan_load(needing(6), [loading])
    assert manager.must_wait(needing(6), [loading])


def test_what_jobs_hold_or_were_promised_is_not_given_to_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.services.memory_manager.free_ram_bytes", lambda: 10 * GB)
    for limit_gb in (10.0, None):
        manager = MemoryManager(max_memory_gb=limit_gb)
        monkeypatch.setattr(manager, "limit_bytes", lambda device: 10 * GB)
        manager.other_work = lambda: (6 * GB, 5 * GB)
        assert manager.plan_load(needing(3), []) == ()
        with pytest.raises(InsufficientMemoryError, match=r"tunings and other jobs hold 6.*: wait for them"):
            manager.plan_load(needing(7), [])


def test_a_gpu_is_one_whichever_way_it_is_written() -> None:
    assert devices.same_memory("cuda", "cuda:0")
    assert devices.same_memory("mps", "cpu")
    assert not devices.same_memory("cuda", "cuda:1")
    assert not devices.same_memory("cuda", "cpu")


@pytest.mark.parametrize("arguments", [{"max_memory_gb": 0}, {"max_memory_gb": -1}, {"mode": "sometimes"}])
def test_senseless_limits_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError):
        MemoryManager(**arguments)


def test_llama_cpp_reserves_the_whole_cache_of_all_requests_at_once() -> None:
    estimate = MemoryManager().estimate(model(ModelType.GGUF, **GGUF), LoadOptions(n_ctx=1000, parallel=4))
    assert (estimate.weights_bytes, estimate.kv_cache_bytes, estimate.device) == (GB, 4_000_000, "cpu")
    assert estimate.total_bytes == estimate.weights_bytes + estimate.kv_cache_bytes + estimate.overhead_bytes


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, 2 * GB),
        ({"torch_dtype": "float32"}, 4 * GB),
        ({"torch_dtype": "float16"}, 2 * GB),
        ({"safe": True}, 4 * GB),
        ({"quantization": "8bit"}, int(0.2 * GB + 0.9 * GB)),
        ({"quantization": "4bit"}, int(0.2 * GB + 0.9 * GB * 0.5625)),
    ],
)
def test_weights_count_as_they_are_held(fast_bfloat16: None, options: dict[str, Any], weights: Any) -> None:
    estimate = MemoryManager().estimate(model(ModelType.PYTORCH, **TORCH), LoadOptions(**options))
    assert estimate.weights_bytes == pytest.approx(weights, abs=2)


def test_a_cpu_that_computes_bfloat16_slowly_holds_it_in_twice_the_memory(
    fast_bfloat16: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = MemoryManager().estimate(model(ModelType.PYTORCH, **TORCH), LoadOptions())
    monkeypatch.setattr(cpus, "computes_bfloat16", lambda: False)
    widened = MemoryManager().estimate(model(ModelType.PYTORCH, **TORCH), LoadOptions())
    assert widened.weights_bytes == 2 * stored.weights_bytes
    assert widened.kv_cache_bytes == 2 * stored.kv_cache_bytes


def test_half_precision_is_widened_on_a_cpu_together_with_its_cache(fast_bfloat16: None) -> None:
    bf16 = MemoryManager().estimate(model(ModelType.PYTORCH, **TORCH), LoadOptions())
    half = {**TORCH, "stored_dtype": "F16", "dtype": "F16"}
    widened = MemoryManager().estimate(model(ModelType.PYTORCH, **half), LoadOptions())
    assert widened.weights_bytes == 2 * bf16.weights_bytes
    assert widened.kv_cache_bytes == 2 * bf16.kv_cache_bytes


def test_weights_quantized_in_advance_are_held_as_stored() -> None:
    stored = {**TORCH, "weight_bytes": GB // 2, "stored_dtype": "U8"}
    assert MemoryManager().estimate(model(ModelType.PYTORCH, **stored), LoadOptions()).weights_bytes == GB // 2


@pytest.mark.parametrize("kind", list(ModelType))
def test_headers_that_say_nothing_count_as_the_file(kind: Any) -> None:
    assert MemoryManager().estimate(model(kind, GB), LoadOptions()).weights_bytes == GB


def test_a_process_is_measured_and_a_gone_one_is_none() -> None:
    manager = MemoryManager()
    assert (manager.process_bytes(os.getpid(), "cpu") or 0) > 10**7
    assert manager.process_bytes(2**31 - 7, "cpu") is None
    manager.cleanup()


def test_gpu_memory_is_measured_by_process_as_the_driver_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_nvidia_smi", lambda query: ["7, 100", "8, [N/A]", "7, 50", "junk"])
    devices._gpu_memory_by_process.cache_clear()
    assert MemoryManager().process_bytes(7, "cuda:0") == 150 * 2**20
    assert (MemoryManager().process_bytes(os.getpid(), "cuda:0") or 0) > 10**7
    devices._gpu_memory_by_process.cache_clear()


def test_gpus_are_found_through_the_drivers_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, 81559'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    devices.gpus.cache_clear()
    assert devices.gpus() == (devices.Device("cuda:0", 81559 * 2**20),)
    tool.write_text("#!/bin/sh\nexit 9\n")
    devices.gpus.cache_clear()
    assert [gpu for gpu in devices.gpus() if gpu.name.startswith("cuda")] == []


def test_a_model_goes_to_the_gpu_only_if_wanted_there_and_supported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_nvidia_smi", lambda query: ["0, 81559"])
    devices.gpus.cache_clear()
    for supported, wanted, device in ((True, True, "cuda:0"), (True, False, "cpu"), (False, True, "cpu")):
        monkeypatch.setattr(devices, "torch_runs_on_gpu", lambda answer=supported: answer)
        estimate = MemoryManager().estimate(model(ModelType.PYTORCH, **TORCH), LoadOptions(use_gpu=wanted))
        assert estimate.device == device


def test_the_tightest_control_group_limits_the_ram(tmp_path: Path) -> None:
    membership = tmp_path / "cgroup"
    membership.write_text("0::/outer/inner\n4:memory:/v1\n")
    groups = tmp_path / "fs"
    (groups / "outer" / "inner").mkdir(parents=True)
    assert devices._control_group_limit(groups, membership) is None
    (groups / "outer" / "inner" / "memory.max").write_text("max\n")
    assert devices._control_group_limit(groups, membership) is None
    (groups / "outer" / "memory.max").write_text("5000\n")
    assert devices._control_group_limit(groups, membership) == 5000
    (groups / "memory" / "v1").mkdir(parents=True)
    (groups / "memory" / "v1" / "memory.limit_in_bytes").write_text("3000\n")
    assert devices._control_group_limit(groups, membership) == 3000
    assert devices._control_group_limit(groups, tmp_path / "absent") is None
