from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, RunAtWorkError
from multi_llm_comparator.core.work_folder import LOCK_FILE, SETUP_FILE, WORKER_FILE, open_work_folder, read_setup

SETUP = {"mode": "a", "options": {"size": 3, "speed": 1.5}}


def test_work_goes_on_with_the_same_setup_and_says_what_it_was_begun_with(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "work"
    open_work_folder(folder, SETUP)
    open_work_folder(folder, SETUP)
    assert read_setup(folder) == SETUP


def test_another_setup_is_refused_by_the_names_of_what_changed(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    open_work_folder(folder, SETUP)
    changed = {"mode": "a", "options": {"size": 4, "speed": 2.0}, "more": True}
    with pytest.raises(ConfigurationError, match=r"\(more, options\.size, options\.speed\)"):
        open_work_folder(folder, changed)
    with pytest.raises(ConfigurationError, match=r"\(more, options\.size\)"):
        open_work_folder(folder, changed, may_change={"options.speed"})
    assert read_setup(folder) == SETUP
    open_work_folder(folder, changed, may_change={"options.speed", "options.size", "more"})
    assert read_setup(folder) == changed


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear all", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="something else"):
        open_work_folder(tmp_path, SETUP)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_what_a_process_that_died_left_of_ours_is_nothing_else(tmp_path: Path) -> None:
    for name in (WORKER_FILE, LOCK_FILE, f".{SETUP_FILE}.x7", f".{WORKER_FILE}.x8"):
        (tmp_path / name).touch()
    open_work_folder(tmp_path, SETUP)
    assert read_setup(tmp_path) == SETUP


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be made"):
        open_work_folder(tmp_path / "file" / "work", SETUP)


TAKING = """
import sys
from pathlib import Path
from multi_llm_comparator.core.exceptions import RunAtWorkError
from multi_llm_comparator.core.work_folder import open_work_folder

print("ready", flush=True)
for name in sys.stdin:
    try:
        open_work_folder(Path(name.strip()), {"mode": "a"})
        print("taken", flush=True)
    except RunAtWorkError:
        print("refused", flush=True)
"""


def test_of_two_processes_at_once_one_takes_it(tmp_path: Path) -> None:
    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", TAKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    with start() as one, start() as two:
        assert one.stdin and two.stdin and one.stdout and two.stdout
        assert [one.stdout.readline(), two.stdout.readline()] == ["ready\n", "ready\n"]
        for number in range(20):
            one.stdin.write(f"{tmp_path / str(number)}\n")
            two.stdin.write(f"{tmp_path / str(number)}\n")
            assert sorted([one.stdout.readline(), two.stdout.readline()]) == ["refused\n", "taken\n"]
        one.stdin.close()
        two.stdin.close()


def test_what_another_process_begins_meanwhile_is_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir

    def begin_and_list(folder: Path) -> list[Path]:
        (folder / SETUP_FILE).write_text(json.dumps(SETUP), encoding="utf-8")
        (folder / "work.jsonl").touch()
        return list(listed(folder))

    monkeypatch.setattr(Path, "iterdir", begin_and_list)
    open_work_folder(tmp_path, SETUP)
    assert read_setup(tmp_path) == SETUP


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_setup_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / SETUP_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(DocumentError):
        read_setup(tmp_path)
    with pytest.raises(DocumentError):
        open_work_folder(tmp_path, SETUP)


def test_a_folder_belongs_to_the_process_at_work_on_it_until_that_ends(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    open_work_folder(folder, SETUP)
    path = folder / WORKER_FILE
    own = path.read_text(encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        began = psutil.Process(other.pid).create_time()
        path.write_text(json.dumps({**json.loads(own), "pid": other.pid, "began_at": began}), encoding="utf-8")
        with pytest.raises(RunAtWorkError, match=f"process {other.pid} is at work"):
            open_work_folder(folder, SETUP)
        other.kill()
    open_work_folder(folder, SETUP)
    assert path.read_text(encoding="utf-8") == own
    path.write_text("nonsense", encoding="utf-8")
    open_work_folder(folder, SETUP)
