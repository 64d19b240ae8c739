"""What `make` runs, and what it leaves behind when that fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOST", "PORT", "PYTHON")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def test_the_port_is_left_to_the_app_unless_one_is_asked_for() -> None:
    assert "--port" not in make("--dry-run", "run").stdout
    assert "app.py --host 127.0.0.1 --port 8600" in make("--dry-run", "run", "PORT=8600").stdout


def test_everything_is_installed_in_the_versions_that_were_tested() -> None:
    planned = make("--dry-run", "--always-make", ".make/test").stdout
    installs = [line for line in planned.splitlines() if "pip install" in line and "--no-deps" not in line]
    assert [line.partition("-c ")[2] for line in installs] == [
        "constraints.txt -r requirements.txt",
        "constraints.txt -r requirements-test.txt -r extras/lm-eval.txt -r extras/mlflow.txt -r extras/ray.txt",
    ]


def test_arguments_for_pytest_take_the_place_of_everything() -> None:
    everything = make("--dry-run", "test").stdout
    assert "mypy" in everything and "--cov" in everything and "tests/browser" in everything
    some = make("--dry-run", "test", "ARGS=tests/core -k yaml").stdout
    assert "--dist loadfile tests/core -k yaml" in some
    assert "mypy" not in some and "tests/browser" not in some


def test_the_fast_tests_leave_out_what_is_slow() -> None:
    planned = make("--dry-run", "test-fast").stdout
    assert '-m "not nightly and not slow"' in planned
    assert {"tests/core", "tests/plans", "tests/ui/kit"} <= set(planned.split())
    assert not {"tests/browser", "tests/inferencers", "tests/support", "tests/conftest.py"} & set(planned.split())


def test_what_is_needed_to_work_on_it_comes_with_one_command() -> None:
    assert make("--dry-run", "dev").stdout.endswith("pre-commit install\n")


def test_newer_versions_are_tried_beside_the_tree() -> None:
    assert make("--dry-run", "upgrade").stdout.endswith("python3 -m tests.support.versions upgrade\n")
    assert make("--dry-run", "test-newest").stdout.endswith("python3 -m tests.support.versions try\n")


def test_a_virtual_environment_that_could_not_be_made_does_not_stay(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    python = tmp_path / "python-without-ensurepip"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0\nmkdir -p .venv/bin && touch .venv/bin/python\nexit 1\n')
    python.chmod(0o755)
    done = make(f"PYTHON={python}", ".venv/bin/python", folder=tmp_path)
    assert done.returncode != 0
    assert "apt install python3-venv" in done.stdout + done.stderr
    assert not (tmp_path / ".venv").exists()
