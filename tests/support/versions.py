"""Renews the pins of ``constraints.txt``, or only tries the newest versions, in an environment of its own.

``python -m tests.support.versions upgrade`` (``make upgrade``) copies the working tree into a temporary folder,
installs there the newest that the requirement files allow, pins that, runs all tests with those pins, and only if they
pass brings the pins back and says what changed. ``try`` (``make test-newest``) does the same and brings nothing back;
it takes ``make``'s ``ARGS``, for a look at some tests before all of them.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PINS = "constraints.txt"
REQUIREMENTS = (
    "requirements.txt",
    "requirements-test.txt",
    "extras/ray.txt",
    "extras/lm-eval.txt",
    "extras/mlflow.txt",
)
OLDEST_PYTHON = (3, 11)
# What comes with the environment, and this project itself.
NOT_PINNED = {"pip", "setuptools", "wheel", "multi-llm-comparator"}
# Parts of torch's CUDA build, which pins them itself; other builds have none of them.
OF_TORCH = re.compile(r"nvidia-|cuda-|triton$")
AUDIT_S = 600
HEADER = """\
# Every package of the environment that all tests passed with: {python}, {system}.
# pip installs nothing because of this file, it only keeps to these versions; `make upgrade` writes it.
# What only other systems need is not among them. A version allows every build of it: torch 2.13.0 may be 2.13.0+cpu, or
# a CUDA build, whose own parts torch pins itself.
"""
# What the make that started this one says to its children would steer the one in the copy.
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "CONSTRAINTS", "VIRTUAL_ENV", "ARGS")


def canonical(name: str) -> str:
    """A package's name as pip compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins_of(installed: list[dict[str, Any]]) -> dict[str, str]:
    """Name to version, from what ``pip list --format=json`` says, sorted by name."""
    found = {canonical(entry["name"]): str(entry["version"]).partition("+")[0] for entry in installed}
    return {name: found[name] for name in sorted(found) if name not in NOT_PINNED and not OF_TORCH.match(name)}


def written(pins: Mapping[str, str]) -> str:
    """The text of ``constraints.txt``."""
    header = HEADER.format(python=f"Python {platform.python_version()}", system=f"{sys.platform} {platform.machine()}")
    return header + "".join(f"{name}=={version}\n" for name, version in pins.items())


def read_pins(text: str) -> dict[str, str]:
    """The pins of a ``constraints.txt``."""
    lines = (line.partition("#")[0].partition(";")[0].strip() for line in text.splitlines())
    return {canonical(name): version for name, _, version in (line.partition("==") for line in lines if line)}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What became of each version, a line each."""
    names = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return [f"{name}: {old.get(name, 'none')} -> {new.get(name, 'gone')}" for name in names]


def held_back(outdated: list[dict[str, Any]], requirements: str) -> list[str]:
    """Newer versions that the requirement files do not allow yet, of the packages that they name."""
    named = {canonical(found[0]) for line in requirements.splitlines() if (found := re.match(r"[\w.-]+", line))}
    newer = {canonical(entry["name"]): entry for entry in outdated}
    return [
        f"{name}: {newer[name]['version']} -> {newer[name]['latest_version']}" for name in sorted(named & newer.keys())
    ]


def weaknesses(report: Mapping[str, Any]) -> list[str]:
    """The known vulnerabilities in what ``pip-audit --format=json`` says, a line each."""
    return [
        f"{entry['name']} {entry['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none yet'}"
        for entry in report.get("dependencies", ())
        for found in entry.get("vulns", ())
    ]


def unaudited(report: dict[str, Any]) -> list[str]:
    """That packages were not looked at, if so: a mirror of PyPI may know nothing of vulnerabilities."""
    packages = report.get("dependencies", [])
    skipped = [package for package in packages if "skip_reason" in package]
    if not skipped:
        return []
    return [f"{len(skipped)} of {len(packages)} packages were not audited; the first: {skipped[0]['skip_reason']}"]


def audited(install: Sequence[str], audit: Sequence[str]) -> list[str]:
    """Known vulnerabilities, or one line that the audit could not be made: offline, the rest still counts.

    Args:
        install: the command that brings pip-audit.
        audit: the command that runs it and prints JSON.
    """
    try:
        subprocess.run(install, check=True, capture_output=True, timeout=AUDIT_S)
        # It ends with 1 when it found something, and also when it could not look.
        done = subprocess.run(audit, capture_output=True, text=True, timeout=AUDIT_S)
        report = json.loads(done.stdout)
        return [*unaudited(report), *weaknesses(report)] or ["no known vulnerability"]
    except (OSError, ValueError, subprocess.SubprocessError):
        return ["the audit could not be made: pip-audit, or the list that it asks, could not be reached"]


def copy_tree(root: Path, to: Path) -> None:
    """Copy what git knows in ``root`` and what is new there, not what it ignores; of new models, which are large, none.

    Raises:
        subprocess.CalledProcessError: ``root`` is no git checkout.
    """

    def listed(*words: str) -> list[str]:
        done = subprocess.run(["git", "ls-files", "-z", *words], cwd=root, check=True, stdout=subprocess.PIPE)
        return [name for name in os.fsdecode(done.stdout).split("\0") if name]

    for name in [*listed(), *listed("--others", "--exclude-standard", "--", ".", ":!models")]:
        # What git knows and somebody has just removed is not there to copy.
        if (root / name).is_symlink() or (root / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, to / name, follow_symlinks=False)


class Trial:
    """A copy of the tree with an environment of its own."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree

    def make(self, *words: str) -> None:
        """Raises CalledProcessError when make fails."""
        environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        subprocess.run(["make", f"PYTHON={sys.executable}", *words], cwd=self.tree, env=environment, check=True)

    def audit(self) -> list[str]:
        """What is known against the pins; pip-audit has an environment of its own, to change nothing in the other."""
        python = self.tree / ".audit" / "bin" / "python"
        brought = f"{sys.executable} -m venv {self.tree / '.audit'} && {python} -m pip install --quiet pip-audit"
        asked = ("--requirement", str(self.tree / PINS), "--no-deps", "--disable-pip", "--format=json")
        return audited(["sh", "-c", brought], [str(python), "-m", "pip_audit", *asked])

    def pip_list(self, *words: str) -> list[dict[str, Any]]:
        command = [".venv/bin/python", "-m", "pip", "list", "--disable-pip-version-check", "--format=json", *words]
        listed = subprocess.run(command, cwd=self.tree, check=True, stdout=subprocess.PIPE).stdout
        found: list[dict[str, Any]] = json.loads(listed)
        return found


def renew(root: Path, *, keep: bool, arguments: str = "") -> int:
    """Try the newest versions; with ``keep`` the pins in ``root`` become theirs if all tests pass. The exit code.

    Args:
        root: the checkout whose pins these are.
        keep: whether it gets the new ones.
        arguments: for pytest, in place of all tests; pins are not kept for what some tests say.
    """
    some = [] if keep or not arguments else [f"ARGS={arguments}"]
    folder = Path(tempfile.mkdtemp(prefix="mlc-newest-"))
    trial = Trial(folder / "tree")
    old = read_pins((root / PINS).read_text(encoding="utf-8"))
    found: list[str] = []
    try:
        copy_tree(root, trial.tree)
        print(f"installing the newest that {' and '.join(REQUIREMENTS)} allow into {trial.tree} ...", flush=True)
        trial.make(".make/test", f"CONSTRAINTS={os.devnull}")
        pins = pins_of(trial.pip_list())
        found = changes(old, pins) or ["nothing: the pins are the newest"]
        _tell("differs from the pins", found)
        (trial.tree / PINS).write_text(written(pins), encoding="utf-8")
        _tell("audit of the pins", trial.audit())
        named = "".join((root / name).read_text(encoding="utf-8") for name in REQUIREMENTS)
        _tell("newer, but not allowed by the requirement files", held_back(trial.pip_list("--outdated"), named))
        trial.make("test", *some)
    except subprocess.CalledProcessError as exc:
        _tell("failed with", found)
        print(f"{exc}; {PINS} stays as it is, and {trial.tree} for a closer look", file=sys.stderr)
        return 1
    if keep:
        shutil.copyfile(trial.tree / PINS, root / PINS)
    passed = f"{arguments}: passed" if some else "all tests passed"
    _tell(f"{passed}; {PINS} {'now has' if keep else 'stays as it is, and could have'}", found)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _tell(what: str, lines: list[str]) -> None:
    if lines:
        print(f"\n{what}:\n" + "".join(f"  {line}\n" for line in lines), flush=True)


def main(words: list[str]) -> int:
    if words not in (["upgrade"], ["try"]):
        print(f"usage: python -m tests.support.versions upgrade|try, not {words}", file=sys.stderr)
        return 2
    if words == ["upgrade"] and sys.version_info[:2] != OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        print(
            "the pins have to fit the oldest Python that is supported, which gets the oldest packages: make upgrade "
            f"PYTHON=python{oldest}",
            file=sys.stderr,
        )
        return 2
    return renew(ROOT, keep=words == ["upgrade"], arguments=os.environ.get("ARGS", ""))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
