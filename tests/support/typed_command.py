"""``llm-cooperation`` called within the test's own process: for what ends before any model is asked."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.cli import app, config_app


def typed(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    place: Path,
    *words: str,
    program: str = "llm-cooperation",
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error; what the command sets up for its process is undone."""
    monkeypatch.setattr(sys, "argv", [program, *words])
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "200")
    root = logging.getLogger()
    handlers, umask = list(root.handlers), os.umask(0o022)
    try:
        with pytest.raises(SystemExit) as exit_:
            (config_app if program == "llm-config" else app).main()
    finally:
        os.umask(umask)
        for handler in [h for h in root.handlers if h not in handlers]:
            root.removeHandler(handler)
            handler.close()
    said = capfd.readouterr()
    return int(exit_.value.code or 0), said.out, said.err
