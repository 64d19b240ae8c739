"""The versions that are installed, and how they are renewed."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support import versions

ROOT = Path(__file__).parents[1]
# What a newer minor version of has broken before, or whose insides are used: none is taken before it was tested.
FAST_MOVING = [
    *("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "llama-cpp-python"),
    *("llguidance", "gguf", "huggingface-hub", "streamlit", "plotly", "openai", "httpx2", "jinja2"),
]


def requirements() -> dict[str, Requirement]:
    lines = "\n".join((ROOT / name).read_text(encoding="utf-8") for name in versions.REQUIREMENTS).splitlines()
    found = (Requirement(line) for line in lines if line and not line.startswith("#"))
    return {versions.canonical(requirement.name): requirement for requirement in found}


def pins() -> dict[str, str]:
    return versions.read_pins((ROOT / versions.PINS).read_text(encoding="utf-8"))


def test_every_requirement_is_pinned_within_its_range() -> None:
    found = pins()
    outside = {name: found.get(name) for name, r in requirements().items() if found.get(name, "") not in r.specifier}
    assert outside == {}, "run: make upgrade"


def test_what_they_need_in_turn_is_pinned_too() -> None:
    # Pulled in by torch, streamlit and transformers, and in no requirement file.
    assert {"markupsafe", "sympy", "pyarrow", "tokenizers", "safetensors"} <= pins().keys()


@pytest.mark.parametrize("name", FAST_MOVING)
def test_no_minor_version_is_taken_before_it_was_tested(name: str) -> None:
    requirement, pin = requirements()[name], pins()[name]
    major, minor = map(int, pin.split(".")[:2])
    assert f"{major}.{minor + 1}.0" not in requirement.specifier
    assert f"{major + 1}.0.0" not in requirement.specifier


def test_pins_are_read_as_they_were_written() -> None:
    installed = [
        {"name": "PyYAML", "version": "6.0.3"},
        {"name": "torch", "version": "2.13.0+cpu"},
        {"name": "nvidia-cublas", "version": "13.1"},
        {"name": "triton", "version": "3.7"},
        {"name": "pip", "version": "23.2.1"},
        {"name": "multi-llm-comparator", "version": "0.2.0", "editable_project_location": "/x"},
        {"name": "huggingface_hub", "version": "2.4.1"},
    ]
    found = versions.pins_of(installed)
    assert found == {"huggingface-hub": "2.4.1", "pyyaml": "6.0.3", "torch": "2.13.0"}
    assert versions.read_pins(versions.written(found)) == found
    assert "torch 2.13.0 may be 2.13.0+cpu" in versions.written(found)


def test_changes_are_told_from_old_to_new() -> None:
    assert versions.changes({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "3"}) == [
        "b: 1 -> 2",
        "c: 1 -> gone",
        "d: none -> 3",
    ]


def test_what_the_requirements_do_not_allow_yet_is_named() -> None:
    outdated = [{"name": n, "version": "1", "latest_version": "2"} for n in ("Jinja2", "mdurl", "rich")]
    assert versions.held_back(outdated, "# rich\njinja2>=1,<2\nredis[x]>=8") == ["jinja2: 1 -> 2"]


# An environment that make makes in a moment: its pip lists one package of the newest version.
MAKEFILE = """
CONSTRAINTS ?= constraints.txt
.make/test:
	mkdir -p .venv/bin .make && touch .make/test
	cp lists .venv/bin/python
	cat $(CONSTRAINTS) > installed-with.txt
test: .make/test
	cp constraints.txt tested-with.txt
	echo "$(ARGS)" > ../../../asked-for.txt
	{outcome}
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with pins of the old version, and where its copies are made."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    # It fetches a program and asks a list of the world's: no test does that.
    monkeypatch.setattr(versions.Trial, "audit", lambda trial: [])
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    (root / "installed.json").write_text('[{"name": "Thing", "version": "1.1"}]')
    (root / "lists").write_text("#!/bin/sh\ncase $* in *outdated*) echo '[]';; *) cat installed.json;; esac\n")
    (root / "lists").chmod(0o755)
    (root / ".gitignore").write_text("secret\n.venv/\n")
    (root / "secret").write_text("x")
    (root / "models").mkdir()
    (root / "models" / "huge.gguf").write_text("x")
    (root / "constraints.txt").write_text("thing==1.0\n")
    for name in versions.REQUIREMENTS:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("thing>=1\n")
    return root


@pytest.mark.parametrize("keep", [True, False])
def test_new_pins_are_kept_only_where_that_is_wanted(tree: Path, keep: bool, capfd: pytest.CaptureFixture[str]) -> None:
    (tree / "Makefile").write_text(MAKEFILE.format(outcome="true"))
    before = {path.name for path in tree.iterdir()}
    assert versions.renew(tree, keep=keep) == 0
    assert versions.read_pins((tree / "constraints.txt").read_text()) == {"thing": "1.1" if keep else "1.0"}
    assert {path.name for path in tree.iterdir()} == before, "nothing else is touched"
    assert "thing: 1.0 -> 1.1" in capfd.readouterr().out
    assert list((tree.parent / "tmp").iterdir()) == []


def test_pins_stay_when_a_test_fails_and_the_copy_is_there_to_look_at(
    tree: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tree / "Makefile").write_text(MAKEFILE.format(outcome="false"))
    assert versions.renew(tree, keep=True) == 1
    assert (tree / "constraints.txt").read_text() == "thing==1.0\n"
    (copy,) = (tree.parent / "tmp").glob("*/tree")
    assert str(copy) in capfd.readouterr().err
    assert (copy / "installed-with.txt").read_text() == "", "the newest, whatever is pinned"
    assert versions.read_pins((copy / "tested-with.txt").read_text()) == {"thing": "1.1"}, "the very pins are tested"
    assert not (copy / "secret").exists()
    assert not (copy / "models" / "huge.gguf").exists()
    shutil.rmtree(copy)


@pytest.mark.parametrize(("keep", "asked"), [(True, ""), (False, "tests/core -k yaml")])
def test_some_tests_are_enough_to_look_and_too_few_to_keep_pins(
    tree: Path, keep: bool, asked: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tree / "Makefile").write_text(MAKEFILE.format(outcome="true"))
    # As make hands on what it was called with.
    monkeypatch.setenv("ARGS", "tests/core -k yaml")
    monkeypatch.setenv("MAKEFLAGS", " -- ARGS=tests/core\\ -k\\ yaml")
    monkeypatch.setattr(versions, "ROOT", tree)
    monkeypatch.setattr(versions, "OLDEST_PYTHON", sys.version_info[:2])
    assert versions.main(["upgrade" if keep else "try"]) == 0
    assert (tree.parent / "asked-for.txt").read_text().strip() == asked
    said = capfd.readouterr().out
    assert ("all tests passed" in said) is keep
    assert ("tests/core -k yaml: passed" in said) is not keep


def test_anything_but_the_two_words_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert versions.main([]) == versions.main(["upgrade", "now"]) == 2
    assert "upgrade|try" in capsys.readouterr().err


def test_pins_come_from_the_oldest_python_that_is_supported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["project"]["requires-python"] == ">=" + ".".join(map(str, versions.OLDEST_PYTHON))
    monkeypatch.setattr(sys, "version_info", (3, 13, 0))
    assert versions.main(["upgrade"]) == 2
    assert "PYTHON=python3.11" in capsys.readouterr().err


def test_known_vulnerabilities_are_told_a_line_each() -> None:
    found = {
        "dependencies": [
            {"name": "jinja2", "version": "3.1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"]}]},
            {"name": "old", "version": "1", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]},
            {"name": "fine", "version": "2", "vulns": []},
            {"name": "skipped", "skip_reason": "not on the index"},
        ]
    }
    assert versions.weaknesses(found) == [
        "jinja2 3.1.0: PYSEC-1, fixed in 3.1.6",
        "old 1: PYSEC-2, fixed in none yet",
    ]


@pytest.mark.parametrize(("install", "audit"), [("false", "true"), ("true", "false"), ("true", "/absent/pip-audit")])
def test_an_audit_that_cannot_be_made_is_one_line(install: str, audit: str) -> None:
    (said,) = versions.audited([install], [audit])
    assert said.startswith("the audit could not be made")


def test_an_audit_that_looked_at_nothing_does_not_find_all_well() -> None:
    report = '{"dependencies": [{"name": "thing", "skip_reason": "not found on PyPI"}, {"name": "other", "vulns": []}]}'
    assert versions.audited(["true"], ["echo", report]) == [
        "1 of 2 packages were not audited; the first: not found on PyPI"
    ]
