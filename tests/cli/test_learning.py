"""``data``, ``distill`` and ``routing``: what the pages Tune and Cooperate do before and beside a tuning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_asking import command, home  # noqa: F401 - a fixture
from tests.support.typed_command import typed

ROWS = [{"prompt": f"What is {n} + {n}?", "response": str(2 * n)} for n in (1, 2, 3, 4, 5, 1)]


@pytest.mark.slow
def test_data_is_looked_at_and_cleaned(home: Path, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in ROWS), encoding="utf-8")
    code, out, err = command(home, "data", "look", str(file), "--json")
    assert code == 0, err
    assert json.loads(out)["detection"]["usable"] == len(ROWS)
    code, out, err = command(home, "data", "clean", str(file), "-o", str(tmp_path / "clean"), "--json")
    assert code == 0, err
    report = json.loads(out)
    assert (report["read"], report["left_out"]) == (6, 1) and any((tmp_path / "clean").iterdir())
    assert command(home, "data", "clean", str(file), "-o", str(tmp_path / "clean"))[0] == 2
    code, _, err = command(home, "data", "look", str(tmp_path / "none.jsonl"))
    assert code == 2 and "none.jsonl" in err.replace("\n", "")


@pytest.mark.slow
def test_a_model_writes_data_which_is_reviewed_and_written(home: Path, tmp_path: Path) -> None:  # noqa: F811
    def told(*words: str) -> Any:
        code, out, err = command(home, "distill", *words, "--json")
        assert code == 0, err
        return json.loads(out)

    (tmp_path / "prompts.txt").write_text("hi\nhello\n\n", encoding="utf-8")
    run = told("start", str(tmp_path / "prompts.txt"), "-m", "tiny", "--max-tokens", "8")
    assert (run["state"], run["prompts"], run["done"]) == ("done", 2, 2)
    first, second = told("show", run["run_id"])["answers"]
    assert (first["prompt"], first["answer"], first["review"]) == ("hi", " one two", "open")
    data = tmp_path / "data.jsonl"
    code, _, err = command(home, "distill", "write", run["run_id"], str(data))
    assert code == 2 and "no answer is to be used" in err and not data.exists()
    told("review", run["run_id"], first["key"], "kept", "--text", "one, two")
    written = told("write", run["run_id"], str(data))
    assert (written["answers"], written["left_out"], written["not_decided"]) == (1, 1, 1)
    assert json.loads(data.read_text(encoding="utf-8"))["messages"][-1]["content"] == "one, two"
    written = told("write", run["run_id"], str(data), "--take-unreviewed")
    assert (written["answers"], written["taken_unreviewed"], written["left_out"]) == (2, 1, 0)
    told("review", run["run_id"], second["key"], "rejected")
    written = told("write", run["run_id"], str(data), "--only-reviewed")
    assert (written["answers"], written["rejected"], written["taken_unreviewed"]) == (1, 1, 0)
    assert command(home, "distill", "review", run["run_id"], first["key"], "fine")[0] == 2


def test_how_much_quality_counts_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> Any:
        code, out, err = typed(monkeypatch, capfd, tmp_path, "routing", *words, "--json")
        assert code == 0, err
        return json.loads(out)

    assert told("show") == {"quality_priority": None, "learnt": None, "problem": None, "verdict": None}
    told("set", "0.7")
    assert told("show")["quality_priority"] == 0.7
    assert told("forget") == {"forgotten": True}
