"""``compare``, ``vote``, ``share`` and ``runs``: what the pages keep as runs, from a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_gguf import chain, word, write_chain
from tests.support.typed_command import typed

SAYS = {"first": ("▁one", "▁two"), "second": ("▁three",)}


@dataclass
class Shell:
    """A home with two models that say something else each, whatever they are asked; commands are typed into it."""

    place: Path
    type_: Callable[..., tuple[int, str, str]]
    monkeypatch: pytest.MonkeyPatch

    def told(self, *words: str, keys: str | None = None) -> Any:
        """The one JSON value that a command says; ``keys`` are pressed meanwhile."""
        code, out, err = self.typed(*words, "--json", keys=keys)
        assert code == 0, err
        return json.loads(out)

    def typed(self, *words: str, keys: str | None = None) -> tuple[int, str, str]:
        if keys is None:
            return self.type_(*words)
        pressed = self.place / "keys"
        pressed.write_text(keys, encoding="utf-8")
        with pressed.open(encoding="utf-8") as file:
            self.monkeypatch.setattr("sys.stdin", file)
            return self.type_(*words)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    (tmp_path / "models" / "gguf").mkdir(parents=True)
    for name, said in SAYS.items():
        write_chain(tmp_path / "models" / "gguf" / f"{name}.gguf", chain([word(one) for one in ("\n", *said)]))
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    return Shell(tmp_path, lambda *words: typed(monkeypatch, capfd, tmp_path, *words), monkeypatch)


BOTH = ("-m", "first", "-m", "second", "--temperature", "0")


@pytest.mark.slow
def test_a_comparison_is_asked_asked_further_marked_bundled_and_shared(shell: Shell) -> None:
    asked = shell.told("compare", "-q", "hi", *BOTH, "--title", "words")
    assert [one["text"] for one in asked["turns"][0]["answers"]] == [" one two", " three"]
    run = asked["run_id"]
    further = shell.told("compare", "--continue", run, "-q", "again")
    assert (further["run_id"], len(further["turns"])) == (run, 1)
    branched = shell.told("compare", "--continue", run, "--at-turn", "2", "-q", "otherwise")
    assert branched["run_id"] != run
    assert len(shell.told("compare", "--again", run)["turns"]) == 2
    (once_more,) = shell.told("answer", "again", run, "1")["turns"][0]["answers"]
    assert once_more["text"] == " one two"
    (own,) = shell.told("answer", "rewrite", run, "2", "--text", "four")["turns"][0]["answers"]
    assert own["text"] == "four"
    known = shell.told("answer", "mark", run, "2", "--turn", "1", "--tag", "best", "--note", "good")
    assert known == shell.told("answer", "mark", run, "2", "--turn", "1")
    assert (known["tags"], known["note"]) == (["best"], "good")
    marked = shell.told("runs", "mark", run, "--tag", "mine", "--note", "short", "--title", "two words")
    assert marked == {"run_id": run, "title": "two words", "tags": ["mine"], "note": "short"}
    assert [one["id"] for one in shell.told("runs", "list", "--tag", "mine", "--days", "1")] == [run]
    archive = shell.told("runs", "archive", run, branched["run_id"], "-o", str(shell.place / "both.zip"), "-f", "md")
    assert archive["runs"] == 2 and (shell.place / "both.zip").read_bytes().startswith(b"PK")
    bundle = shell.told("share", "bundle", run, "-o", str(shell.place / "run.zip"))["written"]
    looked = shell.told("share", "look", bundle)
    assert looked["is_complete"] and looked["differences"] == [] and looked["manifest"]["title"] == "two words"
    opened = shell.told("share", "open", bundle)["run_id"]
    assert opened != run and shell.told("runs", "show", opened)["run"]["kind"] == "comparison"
    again = shell.told("share", "again", bundle)
    assert (again["kind"], again["state"]) == ("comparison", "done")
    link = shell.told("share", "link", run, "--days", "2")
    assert link["address"] is None and link["path"].startswith("/shared/")
    assert [one["id"] for one in shell.told("share", "list", run)] == [link["id"]]
    shell.told("share", "take-back", link["id"])
    assert shell.told("share", "list") == []


@pytest.mark.slow
def test_votes_are_keys_and_become_a_ranking_and_pairs(shell: Shell) -> None:
    prompts = ("--prompt", "a", "--prompt", "b", "--prompt", "c", "--in-order")
    code, out, err = shell.typed("vote", "start", *BOTH, *prompts, "--json", keys="t z q")
    begun = json.loads(out)
    assert (code, begun["votes"], begun["state"]) == (0, 1, "stopped"), err
    run = begun["run_id"]
    # Until the vote nothing names who wrote what; then it does.
    before, voted, after = err.partition("A tie\n")
    assert voted and "one two" in before and "first" not in before and "first" in after
    assert "'z' is no vote" in err and f"vote continue {run}" in err
    ended = shell.told("vote", "continue", run, keys="xs")
    assert (ended["votes"], ended["state"], ended["ties"], ended["bad"]) == (2, "done", 2, 1)
    assert shell.told("vote", "ranking", run)["counted"] == 2
    assert shell.typed("vote", "pairs", str(shell.place / "none.jsonl"))[0] == 2
    more = shell.told("vote", "start", *BOTH, "--prompt", "d", keys="a")
    (best, _) = more["standings"]
    assert (best["wins"], best["losses"], best["high"]) == (1, 0, None)
    assert shell.told("vote", "pairs", str(shell.place / "pairs.jsonl"))["pairs"] == 1
    (pair,) = [json.loads(line) for line in (shell.place / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {pair["chosen"][0]["content"], pair["rejected"][0]["content"]} == {" one two", " three"}
    assert len(shell.told("vote", "ranking")["standings"]) == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("compare", "-q", "hi"), "give --model"),
        (("compare", "--again", "x", "-q", "hi"), "leave --query"),
        (("compare", "--continue", "x", "-m", "m", "-q", "hi"), "leave --model out"),
        (("compare", "-m", "m", "--at-turn", "1", "-q", "hi"), "--at-turn goes with"),
        (("compare", "-m", "m", "-q", "hi", "--regex", "a", "--schema", "b"), "give one of them"),
        (("compare", "-m", "m", "-q", "hi", "--file", "none.txt"), "none.txt"),
        (("vote", "start", "-m", "a", "-m", "b"), "one of --set, --prompt and --evaluation"),
        (("vote", "start", "-m", "a", "--prompt", "hi"), "nobody to choose between"),
        (("vote", "start", "-m", "a", "-m", "b", "--set", "none.csv"), "none.csv"),
        (("vote", "ranking", "nobody"), "nobody"),
        (("share", "link", "nobody"), "there is no run 'nobody'"),
        (("share", "take-back", "nobody"), "no link"),
        (("share", "look", "none.zip"), "cannot be read"),
        (("runs", "mark", "nobody"), "there is no run"),
        (("answer", "mark", "nobody", "1"), "nobody"),
        (("runs", "archive", "nobody", "-o", "x.zip", "-f", "svg"), "formats are"),
    ],
)
def test_wrong_use_is_one_message(
    words: tuple[str, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    code, out, err = typed(monkeypatch, capfd, tmp_path, *words)
    assert (code, out) == (2, ""), err
    assert reason in " ".join(err.split())
