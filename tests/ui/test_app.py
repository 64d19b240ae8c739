"""The app as a process: how it starts, what it imports, what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamlit import config

from multi_llm_comparator.comparison import presets
from multi_llm_comparator.comparison.importing import MAX_IMPORT_BYTES
from multi_llm_comparator.comparison.limits import MAX_UPLOAD_BYTES
from multi_llm_comparator.evaluation import prompt_set_files
from multi_llm_comparator.ui.kit.browser import has_viewer
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def streamlit_config() -> dict[str, Any]:
    return tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))


@contextmanager
def started(home: Path, *options: str, cold: bool = False, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """An app with its imports done, unless it is to be ``cold``: only then is it the process that is returned."""
    own = {"MLC_HOME": str(home), "MLC_MODELS_DIR": str(home / "models"), "MLC_SPARE_PROCESS": "false"}
    environment = {**os.environ, **own, **variables}
    command = [sys.executable if cold else warm_python(APP), "app.py", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def address_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return next(word for word in process.stdout.readline().split() if word.startswith("http://127.0.0.1:"))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an app says that its pages are."""
    with started(tmp_path_factory.mktemp("home"), "--port", str(free_port()), "--no-browser", cold=True) as process:
        yield address_of(process)


def test_one_line_says_where_the_pages_are_and_they_are_there(address: str) -> None:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        assert answer.status == 200


def test_a_port_that_is_taken_gives_way_to_the_next_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        with suppress(OSError):  # somebody else has it: so much the better
            taken.bind(("127.0.0.1", 8501))
            taken.listen()
        with started(tmp_path, "--no-browser") as app:
            address = address_of(app)
            assert not address.endswith(":8501")
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                assert answer.status == 200


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for a browser is a shell script")
def test_the_page_opens_in_the_browser(tmp_path: Path) -> None:
    seen, browser = tmp_path / "seen", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho noise\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    with started(tmp_path, "--port", str(free_port()), BROWSER=f"{browser} %s", DISPLAY=":0", CI="") as app:
        address = address_of(app)
        until = time.monotonic() + PATIENCE_S
        while not seen.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert seen.read_text().strip() == address


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({}, "darwin", True),
        ({}, "win32", True),
    ],
)
def test_no_browser_opens_where_nobody_would_see_it(environment: dict[str, str], platform: str, expected: bool) -> None:
    assert has_viewer(environment, platform) is expected


def test_prometheus_finds_the_gateways_figures_beside_the_pages(address: str) -> None:
    with urllib.request.urlopen(f"{address}/metrics", timeout=PATIENCE_S) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    assert families["mlc_gateway_waiting_requests"].samples[0].value == 0
    assert {sample.labels["model"] for sample in families["mlc_gateway_breaker_state"].samples} >= {"demo-small"}


def test_no_process_is_left_after_it_ended(tmp_path: Path) -> None:
    with started(tmp_path, "--port", str(free_port()), "--no-browser", cold=True) as app:
        address_of(app)
        children = psutil.Process(app.pid).children(recursive=True)
        app.send_signal(signal.SIGINT)
        app.wait(timeout=PATIENCE_S)
        assert not psutil.wait_procs(children, timeout=PATIENCE_S)[1]


def test_it_listens_on_this_machine_only_and_reports_to_nobody() -> None:
    chosen = streamlit_config()
    assert chosen["server"]["address"] == "127.0.0.1"
    assert chosen["browser"]["gatherUsageStats"] is False
    assert chosen["server"]["showEmailPrompt"] is False
    assert chosen["client"]["showErrorDetails"] == "none"
    assert "*" not in chosen["server"]["allowedHosts"]


def test_no_page_promises_a_larger_upload_than_the_server_takes() -> None:
    bounds = (MAX_UPLOAD_BYTES, prompt_set_files.MAX_FILE_BYTES, presets.MAX_FILE_BYTES, MAX_IMPORT_BYTES)
    assert max(bounds) <= streamlit_config()["server"]["maxUploadSize"] << 20
    pages = ROOT / "multi_llm_comparator" / "ui"
    text = "".join(path.read_text(encoding="utf-8") for path in pages.rglob("*.py"))
    own = re.findall(r"max_upload_size=(.*)", text)
    assert own and all(re.fullmatch(r"(?:MAX_(?:UPLOAD|FILE)_BYTES|max_bytes) >> 20,", bound) for bound in own)
    through_one = re.findall(r"(?<!def )\bdraw_upload\(.*", text)
    assert through_one and all(re.search(r", MAX_(?:UPLOAD|FILE|IMPORT)_BYTES, ", call) for call in through_one)


def test_no_redraw_ends_in_a_full_garbage_collection() -> None:
    assert streamlit_config()["runner"]["postScriptGC"] is False
    # It is not in Streamlit's documents: if it goes by another name one day, that should not go unnoticed.
    assert config.get_option("runner.postScriptGC") in (True, False)


def test_the_app_process_never_imports_what_only_model_processes_need() -> None:
    code = """
import os, sys
from streamlit.testing.v1 import AppTest
from multi_llm_comparator.workbench import close_workbench
import app
for page in ("compare", "plans", "models", "history", "settings"):
    test = AppTest.from_file("multi_llm_comparator/ui/main.py", default_timeout=60).run()
    test.switch_page(os.path.abspath(f"pages/{page}.py")).run()
    assert not test.exception, test.exception
close_workbench()
print("heavy:", [m for m in ("torch", "transformers", "llama_cpp", "bitsandbytes") if m in sys.modules])
"""
    environment = {**os.environ, "MLC_SPARE_PROCESS": "false"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.stdout.strip().endswith("heavy: []"), done.stderr[-2000:]
