"""What keeps the app from starting is said in one paragraph; what merely takes long does not keep it."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.tracking.store import Store
from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python
from tests.tracking.records import a_run, an_item
from tests.ui.test_app import PATIENCE_S, ROOT, address_of, free_port, started

pytestmark = pytest.mark.slow

CLI = ("-m", "multi_llm_comparator.cli")
SETTINGS_BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
)


def run(home: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Exit code and all that is printed, of what should end by itself."""
    environment = {**os.environ, "MLC_HOME": str(home), "MLC_SPARE_PROCESS": "false", **variables}
    environment |= {"PYTHONPATH": str(ROOT), "COLUMNS": "1000"}
    ended = subprocess.run(
        [warm_python() if words[0] == "-m" else warm_python(APP), *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    return ended.returncode, " ".join((ended.stdout + ended.stderr).split())


def refused(home: Path, *options: str, **variables: str) -> tuple[int, str]:
    code, said = run(home, "app.py", "--no-browser", "--port", str(free_port()), *options, **variables)
    assert said.startswith("The workbench cannot start: ")
    assert "Traceback" not in said
    return code, said


def test_a_second_app_on_one_home_says_who_has_it_until_that_one_is_gone(tmp_path: Path) -> None:
    with started(tmp_path, "--port", str(free_port()), "--no-browser", cold=True) as first:
        address = address_of(first)
        code, said = refused(tmp_path)
        assert code == 2
        assert all(part in said for part in (f"process {first.pid}", address, "MLC_HOME=", str(tmp_path)))
        first.send_signal(signal.SIGKILL)
        first.wait()
        with started(tmp_path, "--port", str(free_port()), "--no-browser") as second:
            assert address_of(second)


@dataclass(frozen=True)
class Running:
    """An app, its home, and what it said when it was there."""

    process: subprocess.Popen[str]
    home: Path
    address: str


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """In a home that others may look into, with links to everything among its models."""
    folder = tmp_path_factory.mktemp("running")
    home, models = folder / "home", folder / "models" / "pytorch"
    (home / "logs").mkdir(parents=True, mode=0o755)
    (home / "logs" / "workbench.log").touch(mode=0o644)
    models.mkdir(parents=True)
    (models / "everything").symlink_to("/usr")
    (models / "above").symlink_to("/")
    options = ("--port", str(free_port()), "--no-browser")
    with started(home, *options, MLC_MODELS_DIR=str(models.parent)) as process:
        yield Running(process, home, address_of(process))


def test_the_app_answers_while_a_link_to_everything_is_being_looked_at(running: Running) -> None:
    with urllib.request.urlopen(running.address, timeout=PATIENCE_S) as answer:
        assert answer.status == 200


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_nothing_that_the_app_keeps_can_be_read_by_others(running: Running) -> None:
    kept = [running.home, *(path for path in running.home.rglob("*"))]
    assert {path.name for path in kept} >= {"workbench.db", "workbench.log", "workbench.lock"}
    assert {path.name: stat.S_IMODE(path.stat().st_mode) & 0o077 for path in kept} == {p.name: 0 for p in kept}


def test_a_command_beside_a_running_app_leaves_its_runs_as_they_are(running: Running, tmp_path: Path) -> None:
    home, app = running.home, running.process
    store = Store(f"sqlite:///{home / 'workbench.db'}")
    owner = WorkingProcess(platform.node(), app.pid, psutil.Process(app.pid).create_time())
    store.save_run(a_run(status="running"), [an_item(status="running")], owner=owner, lease_s=PATIENCE_S)
    config = tmp_path / "config.json"
    models = {"small_model": "nobody", "large_model": "nobody", "router_model": "nobody"}
    config.write_text(json.dumps({"models": models, "query": "hello?"}))
    variables = {"MLC_MODELS_DIR": str(tmp_path / "models")}
    code, said = run(home, *CLI, "resume", "r1", "--config", str(config), **variables)
    assert (code in (1, 2), "Traceback" in said) == (True, False), said
    code, said = run(home, *CLI, "plan", "--config", str(config), **variables)
    assert "in use by another workbench" not in said
    assert store.load_run("r1").status == "running"
    assert [answer.status for answer in store.load_items("r1")] == ["running"]
    store.close()


@pytest.mark.parametrize("words", [("app.py", "--no-browser"), (*CLI, "plan", "--query", "x")], ids=["app", "command"])
@pytest.mark.parametrize(
    ("settings", "said"), [(SETTINGS_BOMB, "more than 50000 values"), ("a: [", "not readable as YAML"), ("x: 1", "x: ")]
)
def test_settings_that_cannot_be_read_are_named_with_what_to_do(
    tmp_path: Path, words: tuple[Any, ...], settings: Any, said: str
) -> None:
    (tmp_path / "settings.yaml").write_text(settings)
    code, told = run(tmp_path, *words)
    assert code == 2
    assert all(part in told for part in (said, "settings.yaml"))
    assert "Traceback" not in told


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no FIFOs")
def test_a_fifo_as_configuration_keeps_no_command_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    code, said = run(tmp_path, *CLI, "plan", "--config", str(tmp_path / "config.yaml"))
    assert (code, "not a regular file" in said) == (2, True), said


@pytest.mark.parametrize("words", [("app.py", "--no-browser"), (*CLI, "plan", "--query", "x")], ids=["app", "command"])
def test_a_home_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path, words: tuple[Any, ...]) -> None:
    (tmp_path / "file").touch()
    code, said = run(tmp_path / "file" / "home", *words)
    assert code == 2
    assert "Not a directory" in said
    assert "MLC_HOME=" in said
    assert "Traceback" not in said


def test_a_damaged_database_is_left_alone_until_it_is_to_be_set_aside(tmp_path: Path) -> None:
    database = tmp_path / "workbench.db"
    database.write_bytes(b"no database" * 1000)
    code, said = refused(tmp_path)
    assert (code, "--set-database-aside" in said) == (1, True)
    assert database.read_bytes() == b"no database" * 1000
    with started(tmp_path, "--port", str(free_port()), "--no-browser", "--set-database-aside") as app:
        assert app.stdout is not None
        assert re.search(r"kept as '.*workbench\.db\.damaged-\d{8}-\d{6}'", app.stdout.readline())
        assert address_of(app)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_disk_without_room_is_said_to_be_full(tmp_path: Path) -> None:
    # What is written may grow no further, which is what a full disk looks like from here.
    limited = f"ulimit -f 8; trap '' XFSZ; exec {sys.executable} app.py --no-browser --port {free_port()}"
    environment = {**os.environ, "MLC_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        ["bash", "-c", limited], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    said = " ".join(ended.stderr.split())
    assert ended.returncode == 1
    assert "The workbench cannot start: " in said
    assert "full" in said
    assert "Traceback" not in said
