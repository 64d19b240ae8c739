"""MLflow's pages begin when somebody wants to look. What fetches and serves them is stood in for by a script."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.services.mlflow_pages import LOG_FILE, MAX_LOG_BYTES, MlflowPages, ui_command

URI = "sqlite:////home/mlflow.db"
SERVES = """#!{python}
import http.server, sys
assert sys.argv[1:5] == ["mlflow", "ui", "--backend-store-uri", "sqlite:////home/mlflow.db"], sys.argv
http.server.HTTPServer((sys.argv[6], int(sys.argv[8])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
ENDS = """#!/bin/sh
echo "no network"; echo; exit 1
"""


def runner(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> MlflowPages:
    """The pages where ``uvx`` is this script, and nothing else is there."""
    script = folder / "uvx"
    script.write_text(text.replace("{python}", sys.executable), encoding="utf-8")
    script.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder))
    return MlflowPages(URI, folder)


def wait_while_starting(pages: MlflowPages) -> str:
    until = time.monotonic() + 120
    while pages.state == "starting" and time.monotonic() < until:
        time.sleep(0.05)
    return pages.state


def test_they_are_started_once_served_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = runner(tmp_path, monkeypatch, SERVES)
    assert (pages.state, pages.address) == ("stopped", "")
    pages.start()
    assert wait_while_starting(pages) == "running"
    address = pages.address
    pages.start()
    assert pages.address == address
    with urlopen(address) as answer:
        assert answer.status == 200
    pages.stop()
    assert (pages.state, pages.address) == ("stopped", "")
    with pytest.raises(OSError, match="refused"):
        urlopen(address)


def test_why_they_ended_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = runner(tmp_path, monkeypatch, ENDS)
    pages.start()
    assert wait_while_starting(pages) == "failed"
    assert pages.problem == "no network"


def test_what_pip_put_beside_the_interpreter_is_found_in_an_environment_that_is_not_activated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner(tmp_path, monkeypatch, SERVES)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert ui_command(URI, 1)[:2] == [str(tmp_path / "uvx"), "mlflow"]


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(ConfigurationError, match=r"pip install '\.\[mlflow\]'"):
        MlflowPages(URI, tmp_path).start()


def test_a_server_has_pages_of_its_own(tmp_path: Path) -> None:
    pages = MlflowPages("http://tracking:5000", tmp_path)
    assert (pages.state, pages.address) == ("running", "http://tracking:5000")


def test_of_what_they_print_the_end_is_read_and_no_more_is_kept_than_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = runner(tmp_path, monkeypatch, SERVES)
    pages.start()
    assert wait_while_starting(pages) == "running"
    log = tmp_path / LOG_FILE
    with log.open("ab") as file:
        file.truncate(MAX_LOG_BYTES)
        file.write(b"\nthe last line\n")
    assert pages.problem == "the last line"
    assert pages.state == "running" and log.stat().st_size < MAX_LOG_BYTES
    pages.stop()


STARTS = """
import sys, time
from pathlib import Path
from multi_llm_comparator.services.mlflow_pages import MlflowPages
pages = MlflowPages(sys.argv[1], Path(sys.argv[2]))
pages.start()
while pages.state == "starting":
    time.sleep(0.05)
print(pages.state, pages.address, flush=True)
time.sleep(600)
"""


def test_they_do_not_outlive_an_app_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner(tmp_path, monkeypatch, SERVES)
    command = [sys.executable, "-c", STARTS, URI, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        assert app.stdout.readline().startswith("running http://127.0.0.1:")
        started = psutil.Process(app.pid).children(recursive=True)
        assert len(started) == 2
        app.kill()
    assert psutil.wait_procs(started, timeout=60)[1] == []
