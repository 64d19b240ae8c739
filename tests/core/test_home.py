"""Who has a home: another workbench waits outside, until the one inside is gone, however it went."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, HomeTakenError
from multi_llm_comparator.core.home import HomeLock, open_home

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from multi_llm_comparator.core.home import HomeLock
lock = HomeLock(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
lock.take()
lock.tell("http://127.0.0.1:8731")
print("taken", flush=True)
time.sleep(600)
"""
posix = pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")


@pytest.fixture
def holder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Another process that has the home ``tmp_path / "home"``, or the database of the test's parameter."""
    process = started(tmp_path / "home", *getattr(request, "param", ()))
    yield process
    process.kill()
    process.communicate()


def started(home: Path, *database: str) -> subprocess.Popen[str]:
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HOLD, str(home), *(str(home.parent / name) for name in database)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "taken\n"
    return process


def test_a_second_one_is_told_who_has_it_and_what_to_do(holder: Any, tmp_path: Path) -> None:
    with pytest.raises(HomeTakenError) as caught:
        HomeLock(tmp_path / "home").take()
    said = str(caught.value)
    for part in (str(tmp_path / "home"), f"process {holder.pid}", "http://127.0.0.1:8731", "since", "MLC_HOME="):
        assert part in said


def test_whatever_ends_the_holder_its_place_is_free(holder: Any, tmp_path: Path) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock = HomeLock(tmp_path / "home")
    lock.take()
    lock.release()
    assert json.loads((tmp_path / "home" / "workbench.holder.json").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("holder", [("runs.db",)], indirect=True)
def test_one_database_of_two_homes_is_of_one_as_well(holder: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(HomeTakenError, match=r"the database '.*runs\.db' is in use"):
        HomeLock(tmp_path / "other", tmp_path / "runs.db").take()
    # What could be taken was given back.
    lock = HomeLock(tmp_path / "other")
    lock.take()
    lock.release()


def test_another_home_and_the_same_one_afterwards_are_free(tmp_path: Path) -> None:
    locks = []
    for name in ("a", "b"):
        open_home(tmp_path / name)
        locks.append(HomeLock(tmp_path / name, tmp_path / name / "workbench.db"))
        locks[-1].take()
    locks[0].release()
    again = HomeLock(tmp_path / "a")
    again.take()
    assert json.loads((tmp_path / "a" / "workbench.holder.json").read_text())["pid"] == os.getpid()
    again.release()
    locks[1].release()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "x" * 100_000])
def test_a_note_that_cannot_be_read_costs_only_the_details(holder: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / "home" / "workbench.holder.json").write_text(text)
    with pytest.raises(HomeTakenError, match="in use by another workbench; end that one"):
        HomeLock(tmp_path / "home").take()


def test_a_home_that_cannot_be_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"file/home' cannot be used: Not a directory.*MLC_HOME"):
        open_home(tmp_path / "file" / "home")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        HomeLock(tmp_path / "file" / "home").take()


@posix
def test_a_home_is_closed_to_others_with_all_that_is_ours_in_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    ours = [home / "workbench.db", home / "workbench.db-wal", home / "logs" / "workbench.log", home / "presets.json"]
    for path in (*ours, home / "somebody-elses.txt"):
        path.touch()
        path.chmod(0o644)
    (tmp_path / "outside").touch(mode=0o644)
    (tmp_path / "outside").chmod(0o644)
    (home / "keys").symlink_to(tmp_path / "outside")
    home.chmod(0o755)
    open_home(home)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "logs", *ours)] == [0o700, 0o700] + [0o600] * 4
    assert stat.S_IMODE((home / "somebody-elses.txt").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o644


@posix
def test_a_folder_that_one_works_in_is_not_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project").mkdir(mode=0o755)
    (tmp_path / "project").chmod(0o755)
    monkeypatch.chdir(tmp_path / "project")
    open_home(tmp_path / "project")
    assert stat.S_IMODE((tmp_path / "project").stat().st_mode) == 0o755
