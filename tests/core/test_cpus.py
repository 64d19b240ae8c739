from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core import cpus
from multi_llm_comparator.core.cpus import available_cpus, computes_bfloat16, slow_on_cpu


def test_only_the_cpus_count_that_the_process_is_bound_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 6}, raising=False)
    assert available_cpus() == 3


def test_where_the_system_knows_no_binding_all_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert available_cpus() == 64


@pytest.mark.parametrize(("said", "counted"), [("2", 2), ("8", 3), ("0", 1), ("many", 3), ("4,2", 3), ("", 3)])
def test_who_shares_the_machine_bounds_it_by_the_variable_that_libraries_read(
    monkeypatch: pytest.MonkeyPatch, said: str, counted: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5, 6}, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert available_cpus() == counted


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Describe the processor as Linux does; what was found out about the real one is forgotten, before and after."""

    def describe(machine: str, text: str) -> None:
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(cpus, "CPU_DESCRIPTION", tmp_path / "cpuinfo")
        (tmp_path / "cpuinfo").write_text(text)
        computes_bfloat16.cache_clear()

    yield describe
    computes_bfloat16.cache_clear()


@pytest.mark.parametrize(
    ("machine", "text", "fast"),
    [
        ("x86_64", "processor\t: 0\nflags\t\t: fpu sse avx2 fma\n", False),
        ("x86_64", "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512bw avx512vl avx512dq\n", True),
        ("aarch64", "Features\t: fp asimd\n", False),
        ("aarch64", "Features\t: fp asimd bf16\n", True),
        ("riscv64", "isa\t: rv64\n", True),
        ("x86_64", "nothing of use", True),
    ],
)
def test_bfloat16_is_slow_where_the_processor_lacks_what_it_takes(
    described: Any, machine: str, text: str, fast: bool
) -> None:
    described(machine, text)
    assert computes_bfloat16() is fast
    assert slow_on_cpu("bfloat16") is not fast
    assert slow_on_cpu("float16")
    assert not slow_on_cpu("float32")
