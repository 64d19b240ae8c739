"""What stands in for the interpreter in tests of commands behaves as the interpreter does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support import warm_launcher
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[1]
TELLS = """
import os, sys
print(os.getpid(), os.getcwd(), os.environ.get("GIVEN"), sys.argv[1:], oct(os.umask(0)), repr(sys.stdin.read()))
print("aside", file=sys.stderr)
"""
WAITS = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def run(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([warm_python(), *words], cwd=folder, capture_output=True, text=True, timeout=300)


def test_it_has_streams_a_folder_an_environment_and_words_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIVEN", "yes, 是")
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [warm_python(), "-c", TELLS, "a b", "--c"], input="in", capture_output=True, text=True, umask=0o027, timeout=300
    )
    pid, _, told = done.stdout.partition(" ")
    assert (done.returncode, done.stderr) == (0, "aside\n")
    assert told == f"{tmp_path} yes, 是 ['a b', '--c'] 0o27 'in'\n"
    assert int(pid) != os.getpid()


@pytest.mark.parametrize(
    ("code", "exit_code", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("import sys; sys.exit()", 0, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
    ],
)
def test_it_ends_as_the_interpreter_would(code: str, exit_code: int, said: str) -> None:
    done = run("-c", code)
    assert (done.returncode, done.stderr) == (exit_code, said)


def test_streams_without_a_buffer_may_be_asked_for() -> None:
    assert run("-u", "-c", "import sys; print(sys.argv)").stdout == "['-c']\n"


def test_what_goes_wrong_is_told_with_where() -> None:
    done = run("-c", "def f():\n    1 / 0\nf()")
    assert done.returncode == 1 and done.stderr.rstrip().endswith("ZeroDivisionError: division by zero")


def test_modules_and_scripts_are_run_as_the_main_one(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("WORD = 'beside'")
    (tmp_path / "script.py").write_text("import sys, beside\nprint(__name__, beside.WORD, sys.argv)")
    assert run("script.py", "x", folder=tmp_path).stdout == "__main__ beside ['script.py', 'x']\n"
    assert run("-m", "script", folder=tmp_path).stdout.startswith("__main__ beside ['")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_reach_it(number: signal.Signals) -> None:
    with subprocess.Popen([warm_python(), "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        waits = psutil.Process(int(process.stdout.readline()))
        process.send_signal(number)
        assert process.wait(300) == -number
        # What was killed takes it along.
        psutil.wait_procs([waits], timeout=300)
        assert not waits.is_running() or waits.status() == psutil.STATUS_ZOMBIE


def test_where_nothing_forks_it_is_the_interpreter_itself(tmp_path: Path) -> None:
    command = [sys.executable, "-IS", str(Path(warm_launcher.__file__)), str(tmp_path / "nobody"), sys.executable]
    done = subprocess.run([*command, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    assert done.returncode == 0 and int(done.stdout) > 0
