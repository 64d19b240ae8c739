"""What of the machine is in use, as the monitor tells it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.services import devices
from multi_llm_comparator.services.machine_use import CpuTimes, busy_share, machine_use, times_of


class Times(NamedTuple):
    """As psutil has them on Linux."""

    user: float
    system: float
    idle: float
    iowait: float
    guest: float


def test_the_machine_has_processors_and_memory_in_use() -> None:
    use = machine_use()
    assert use.cpus >= 1 and use.cpu_share is not None and 0 <= use.cpu_share <= 1
    assert 0 < use.ram_used_bytes < use.ram_bytes
    assert machine_use() is use, "who asks again within a moment gets the same reading"


def test_waiting_and_guests_are_not_counted_and_other_processors_neither() -> None:
    times = [Times(10.0, 2.0, 80.0, 8.0, 5.0), Times(1000.0, 0.0, 0.0, 0.0, 0.0)]
    assert times_of(times, {0}) == CpuTimes(100.0, 12.0)
    assert busy_share(CpuTimes(100.0, 12.0), CpuTimes(200.0, 62.0)) == 0.5


seconds = st.floats(0, 1e9)


@given(seconds, seconds, seconds, seconds)
def test_a_share_is_a_share_whatever_the_clock_did(whole: float, busy: float, later: float, later_busy: float) -> None:
    share = busy_share(CpuTimes(whole, busy), CpuTimes(later, later_busy))
    assert share is None if later <= whole else share is not None and 0 <= share <= 1


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A driver's program that knows two GPUs, of which one does not say how busy it is."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        '  *utilization*) echo "0, 2048, 81920, 37"; echo "1, 10, 40960, [N/A]"; echo "odd" ;;\n'
        '  *) echo "0, 81920"; echo "1, 40960" ;;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    devices.gpus.cache_clear()
    yield
    devices.gpus.cache_clear()


@pytest.mark.usefixtures("driver")
def test_gpus_are_told_as_their_driver_tells_them() -> None:
    first, second = devices.gpu_loads()
    assert (first.name, first.used_bytes, first.total_bytes, first.share) == ("cuda:0", 2 * 2**30, 80 * 2**30, 0.37)
    assert (second.name, second.share) == ("cuda:1", None)
