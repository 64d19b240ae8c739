"""Writing where there is no room: the old content stays whole, and one sentence says why."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import MultiLLMError, NotWrittenError
from multi_llm_comparator.core.files import write_atomically

ROOT = Path(__file__).parents[2]


@pytest.fixture
def little_room() -> Iterator[Any]:
    """Files of this process may not grow beyond 4 KiB, which is what a full disk looks like from here."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_without_room_the_old_content_stays_and_nothing_is_left_beside_it(tmp_path: Path, little_room: Any) -> None:
    path = tmp_path / "presets.json"
    write_atomically(path, "old")
    with pytest.raises(NotWrittenError, match=r"presets\.json' was not written: .*; it is as it was before") as caught:
        write_atomically(path, "x" * 100_000)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, MultiLLMError)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root may mount")
def test_on_a_full_disk_as_well(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from multi_llm_comparator.core.files import write_atomically\n"
        "place = Path(sys.argv[1]); write_atomically(place / 'a', 'old')\n"
        "try: write_atomically(place / 'a', 'x' * 3_000_000)\n"
        "except OSError as exc: print(exc)\n"
        "print((place / 'a').read_text(), len(list(place.iterdir())))"
    )
    script = f'mount -t tmpfs -o size=1m none {tmp_path} || exit 77; {sys.executable} -c "$CODE" {tmp_path}'
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env={**os.environ, "CODE": code, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if ran.returncode in (1, 77) and not ran.stdout:
        pytest.skip("this container may not mount")
    assert "No space left on device; it is as it was before\nold 1" in ran.stdout, ran.stderr
