from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from multi_llm_comparator.core.log_file import LogFile

FULL = Path("/dev/full")


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, __file__, 1, text, (), None)


@pytest.mark.skipif(not FULL.exists(), reason="this system has no device that is always full")
def test_a_full_disk_is_told_once_and_not_by_tracebacks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = LogFile(tmp_path / "logs" / "workbench.log", max_bytes=10_000, backups=1)
    log.emit(record("there is room"))
    assert log.trouble is None
    assert log.stream is not None
    descriptor = log.stream.fileno()
    kept, full = os.dup(descriptor), os.open(FULL, os.O_WRONLY)
    os.dup2(full, descriptor)
    for _ in range(5):
        log.emit(record("there is none"))
    assert "No space left" in (log.trouble or "")
    said = capfd.readouterr().err
    assert said.count("cannot be written: No space left on device") == 1
    assert "Traceback" not in said
    os.dup2(kept, descriptor)
    log.emit(record("there is room again"))
    assert log.trouble is None
    log.close()
    for each in (kept, full):
        os.close(each)
