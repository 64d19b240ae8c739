"""In a network namespace without a route everything but the Hub works, and nothing waits for an answer from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.ui.kit.navigation import page_names

ROOT = Path(__file__).parents[2]
PATIENCE_S = 300
ALONE = ("unshare", "-rn", "sh", "-c")
PAGES = """
import sys, urllib.request
from tests.ui.test_app import address_of, free_port, started
from pathlib import Path
with started(Path(sys.argv[1]), "--port", str(free_port()), "--no-browser", cold=True) as app:
    address = address_of(app)
    for page in sys.argv[2:]:
        with urllib.request.urlopen(f"{address}/{page}", timeout=60) as answer:
            print(page, answer.status)
"""


def alone(*words: str, home: Path) -> str:
    """What a command prints that can reach this machine and nothing else."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare and ip are needed")
    if subprocess.run([*ALONE, "ip link set lo up"], capture_output=True).returncode:
        pytest.skip("this user may not make a network namespace")
    environment = {**os.environ, "MLC_HOME": str(home), "MLC_SPARE_PROCESS": "false", "PYTHONPATH": str(ROOT)}
    command = f"ip link set lo up && exec {sys.executable} " + " ".join(f"'{word}'" for word in words)
    ended = subprocess.run(
        [*ALONE, command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.nightly
def test_models_answer_are_measured_and_tuned_and_the_hub_says_that_it_cannot_be_reached(tmp_path: Path) -> None:
    said = alone("-m", "tests.ui.without_a_route", home=tmp_path).splitlines()
    assert said[:2] == ["answers: done done", "measured: done"]
    assert said[2].startswith("hub: ")
    assert said[3] == "tuned: done"
    assert (tmp_path / "mlflow.db").is_file()


@pytest.mark.nightly
def test_every_page_is_served(tmp_path: Path) -> None:
    pages = [*page_names(), "metrics", "status"]
    said = alone("-c", PAGES, str(tmp_path), *pages, home=tmp_path)
    assert said.splitlines() == [f"{page} 200" for page in pages]
