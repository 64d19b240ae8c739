from __future__ import annotations

import logging
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from typing import Any

import pytest

from multi_llm_comparator.ui.kit import logs


@pytest.fixture
def logging_started() -> Iterator[Any]:
    before = list(logging.getLogger().handlers)
    logs.start_logging()
    yield
    for handler in [h for h in logging.getLogger().handlers if h not in before]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def test_a_line_names_the_run_it_belongs_to(logging_started: Any) -> None:
    logging.getLogger("multi_llm_comparator.ui").info("asked", extra={"run": "abc123"})
    logging.getLogger("multi_llm_comparator.ui").info("started")
    lines = logs.log_path().read_text(encoding="utf-8").splitlines()
    assert "[run abc123] asked" in lines[0]
    assert "[run -] started" in lines[1]


def test_the_log_is_renewed_before_it_grows_large(logging_started: Any) -> None:
    handler = next(h for h in logging.getLogger().handlers if isinstance(h, RotatingFileHandler))
    assert handler.maxBytes == logs.MAX_BYTES
    assert handler.backupCount == logs.FILES


def test_starting_twice_logs_once(logging_started: Any) -> None:
    logs.start_logging()
    logging.getLogger("multi_llm_comparator.ui").info("asked")
    assert len(logs.log_path().read_text(encoding="utf-8").splitlines()) == 1
