"""The page about cooperation: what it tells programs and shells to do works against a server, with the demo models."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.test_app import environment, said, started
from tests.support.warm_python import warm_python
from tests.ui.test_app import ROOT, free_port

PAGE = ROOT / "docs" / "cooperate.md"
WRITTEN_ON = "127.0.0.1:8501"
MEMBERS = ("demo-small", "demo-large")

pytestmark = pytest.mark.slow


def block(fence: str) -> str:
    """The one example of this kind."""
    [_, rest] = PAGE.read_text(encoding="utf-8").split(f"```{fence}\n")
    return rest.partition("```")[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "models" / "pytorch").mkdir(parents=True)
    for name in MEMBERS:
        (home / "models" / "pytorch" / name).symlink_to(ROOT / "models" / "pytorch" / name)
    return home


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    port = free_port()
    with started(home, "--port", str(port), MLC_CONFIGS_DIR=str(home / "configs")) as server:
        assert said(server)
        yield f"127.0.0.1:{port}"


def done(home: Path, *words: str) -> str:
    own = environment(home, MLC_CONFIGS_DIR=str(home / "configs"), PYTHONPATH=str(ROOT))
    found = subprocess.run(words, capture_output=True, text=True, timeout=300, env=own)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_the_openai_client_asks_a_mode_as_a_model(home: Path, address: str) -> None:
    assert done(home, warm_python(), "-c", block("python running").replace(WRITTEN_ON, address)).strip()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_has_a_task_answered(home: Path, address: str) -> None:
    words = shlex.split(block("bash running").strip().replace(WRITTEN_ON, address))
    told = json.loads(done(home, *words, "--silent", "--show-error", "--fail"))
    assert (told["mode"], told["models"]) == ("voting", list(MEMBERS)) and told["result"] and told["run_id"]


def test_the_command_asks_the_running_workbench(home: Path, address: str) -> None:
    program, *words = shlex.split(block("bash command").strip())
    assert program == "llm-cooperation"
    told = json.loads(done(home, warm_python(), "-m", "multi_llm_comparator.cli", *words, "--json"))
    assert (told["mode"], told["models"]) == ("voting", list(MEMBERS)) and told["result"]


def test_without_a_server_the_command_loads_the_models_itself(home: Path) -> None:
    words = ("cooperate", "-q", "What is 12 + 30?", "--mode", "parallel", "--models", ",".join(MEMBERS))
    more = ("--integration", "concatenation", "--temperature", "0", "--alone", "--json")
    told = json.loads(done(home, warm_python(), "-m", "multi_llm_comparator.cli", *words, *more))
    assert "42" in told["result"] and {one["model"] for one in told["members"]} == set(MEMBERS)
