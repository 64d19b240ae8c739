"""``compare``, ``vote``, ``share`` and ``runs``: what the pages keep as runs, from a shell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_asking import command
from tests.support.tiny_gguf import chain, word, write_chain
from tests.support.typed_command import typed

SAYS = {"first": ("▁one", "▁two"), "second": ("▁three",)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A home with two models that say something else each, whatever they are asked."""
    (tmp_path / "models" / "gguf").mkdir(parents=True)
    for name, said in SAYS.items():
        write_chain(tmp_path / "models" / "gguf" / f"{name}.gguf", chain([word(one) for one in ("\n", *said)]))
    return tmp_path


def told(place: Path, *words: str, given: str = "") -> Any:
    code, out, err = command(place, *words, "--json", given=given)
    assert code == 0, err
    return json.loads(out)


BOTH = ("-m", "first", "-m", "second", "--temperature", "0")


@pytest.mark.slow
def test_a_comparison_is_asked_asked_further_marked_bundled_and_shared(place: Path) -> None:
    asked = told(place, "compare", "-q", "hi", *BOTH, "--title", "words")
    assert [one["text"] for one in asked["turns"][0]["answers"]] == [" one two", " three"]
    run = asked["run_id"]
    further = told(place, "compare", "--continue", run, "-q", "again")
    assert (further["run_id"], len(further["turns"])) == (run, 1)
    branched = told(place, "compare", "--continue", run, "--at-turn", "2", "-q", "otherwise")
    assert branched["run_id"] != run
    assert len(told(place, "compare", "--again", run)["turns"]) == 2
    (once_more,) = told(place, "answer", "again", run, "1")["turns"][0]["answers"]
    assert once_more["text"] == " one two"
    (own,) = told(place, "answer", "rewrite", run, "2", "--text", "four")["turns"][0]["answers"]
    assert own["text"] == "four"
    known = told(place, "answer", "mark", run, "2", "--turn", "1", "--tag", "best", "--note", "good")
    assert known == told(place, "answer", "mark", run, "2", "--turn", "1")
    assert (known["tags"], known["note"]) == (["best"], "good")
    marked = told(place, "runs", "mark", run, "--tag", "mine", "--note", "short", "--title", "two words")
    assert marked == {"run_id": run, "title": "two words", "tags": ["mine"], "note": "short"}
    assert [one["id"] for one in told(place, "runs", "list", "--tag", "mine", "--days", "1")] == [run]
    archive = told(place, "runs", "archive", run, branched["run_id"], "-o", str(place / "both.zip"), "-f", "md")
    assert archive["runs"] == 2 and (place / "both.zip").read_bytes().startswith(b"PK")
    bundle = told(place, "share", "bundle", run, "-o", str(place / "run.zip"))["written"]
    looked = told(place, "share", "look", bundle)
    assert looked["is_complete"] and looked["differences"] == [] and looked["manifest"]["title"] == "two words"
    opened = told(place, "share", "open", bundle)["run_id"]
    assert opened != run and told(place, "runs", "show", opened)["run"]["kind"] == "comparison"
    again = told(place, "share", "again", bundle)
    assert (again["kind"], again["state"]) == ("comparison", "done")
    link = told(place, "share", "link", run, "--days", "2")
    assert link["address"] is None and link["path"].startswith("/shared/")
    assert [one["id"] for one in told(place, "share", "list", run)] == [link["id"]]
    told(place, "share", "take-back", link["id"])
    assert told(place, "share", "list") == []


@pytest.mark.slow
def test_votes_are_keys_and_become_a_ranking_and_pairs(place: Path) -> None:
    prompts = ("--prompt", "a", "--prompt", "b", "--prompt", "c", "--in-order")
    code, out, err = command(place, "vote", "start", *BOTH, *prompts, "--json", given="t z q")
    begun = json.loads(out)
    assert (code, begun["votes"], begun["state"]) == (0, 1, "stopped"), err
    run = begun["run_id"]
    # Until the vote nothing names who wrote what; then it does.
    before, voted, after = err.partition("A tie\n")
    assert voted and "one two" in before and "first" not in before and "first" in after
    assert "'z' is no vote" in err and f"vote continue {run}" in err
    ended = told(place, "vote", "continue", run, given="xs")
    assert (ended["votes"], ended["state"], ended["ties"], ended["bad"]) == (2, "done", 2, 1)
    assert told(place, "vote", "ranking", run)["counted"] == 2
    assert command(place, "vote", "pairs", str(place / "none.jsonl"))[0] == 2
    more = told(place, "vote", "start", *BOTH, "--prompt", "d", given="a")
    (best, _) = more["standings"]
    assert (best["wins"], best["losses"], best["high"]) == (1, 0, None)
    assert told(place, "vote", "pairs", str(place / "pairs.jsonl"))["pairs"] == 1
    (pair,) = [json.loads(line) for line in (place / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {pair["chosen"][0]["content"], pair["rejected"][0]["content"]} == {" one two", " three"}
    assert len(told(place, "vote", "ranking")["standings"]) == 2


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
