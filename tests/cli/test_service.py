"""``llm-cooperation service`` as it is typed, with no model asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.typed_command import typed


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))


def test_data_is_explained_and_written_to_a_file(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "sales.csv").write_text("month,sales\nJan,5\nFeb,7\nMar,9\n", encoding="utf-8")
    words = ("service", "data", "--file", "sales.csv", "--model", "none", "--alone")
    code, out, _ = typed(monkeypatch, capfd, tmp_path, *words)
    assert code == 0 and "from 5 (Jan) to 9 (Mar)" in out
    code, out, _ = typed(monkeypatch, capfd, tmp_path, *words, "--json")
    assert code == 0 and json.loads(out)["result"]["data_points"] == 3
    code, _, _ = typed(monkeypatch, capfd, tmp_path, *words, "--output", "sales.docx")
    assert code == 0 and (tmp_path / "sales.docx").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("service", "documents", "-q", "x"), "there is no service"),
        (("service", "data", "-q", "x", "--output", "a.pdf"), "ends in"),
        (("service", "document", "-q", "x", "--kind", "sumary"), "it has comprehensive"),
        (("service", "decision", "-q", "x", "--weight", "cost"), "CRITERION=NUMBER"),
        (("service", "data", "--file", "nowhere.csv"), "cannot be read"),
    ],
)
def test_what_is_typed_wrong_is_said_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    why: str,
) -> None:
    code, _, err = typed(monkeypatch, capfd, tmp_path, *words)
    assert code != 0 and why in " ".join(err.split())
