"""Votes as files, as data to learn from, and as what people think of a judge."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.training.data.formats import examples_of
from multi_llm_comparator.voting.export import export_votes
from multi_llm_comparator.voting.human_preferences import human_preferences
from multi_llm_comparator.voting.preference_pairs import preference_rows, write_pairs
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import tally
from multi_llm_comparator.voting.turns import BAD, TIE, VoteTurn
from tests.voting.sessions import TARGETS, answered, session, session_spec

HOSTILE = "=HYPERLINK(1) <script>alert(1)</script> | ![x](http://x)"


@pytest.fixture
def voted() -> VotingSnapshot:
    spec = session_spec("Why is it blue?", "What is it?", system="Be brief.")
    return session(
        spec,
        answered(0, "a", "It scatters light.", "It is paint."),
        answered(1, "b", HOSTILE, "A cat sat there.", places="ba", prompt=1),
        answered(2, TIE, "same", "same", is_automatic=True),
        answered(3, BAD, "no", "never"),
    )


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("format", export_votes.formats)
def test_every_file_has_the_votes_and_who_wrote_what(voted: VotingSnapshot, format: str, language: str) -> None:
    text = export_votes(voted, format, language).decode("utf-8-sig")  # type: ignore[arg-type]
    for word in ("Small", "Large"):
        assert word in text


def test_a_page_shows_the_ranking_differences_and_no_markup_of_others(voted: VotingSnapshot) -> None:
    page = export_votes(voted, "html").decode()
    assert "<script>alert" not in page and "&lt;script&gt;" in page
    assert "<ins>" in page and "<del>" in page
    assert "default-src 'none'" in page and "undecided" in page


def test_a_table_of_votes_runs_nothing(voted: VotingSnapshot) -> None:
    rows = list(csv.DictReader(io.StringIO(export_votes(voted, "csv").decode("utf-8-sig"))))
    assert [row["outcome"] for row in rows] == ["won", "lost", "won", "lost", "tie", "tie", "bad", "bad"]
    assert rows[2]["answer"].startswith("'=")
    assert (rows[0]["fingerprint"], rows[0]["read_s"], rows[0]["tags"]) == ("h1", "5.0", "Why")


def test_a_file_tells_nothing_of_a_turn_that_waits_for_its_vote(voted: VotingSnapshot) -> None:
    from dataclasses import replace

    waiting = replace(voted.turns[0], number=4, state="ready", choice="", voted_at=None)
    assert isinstance(waiting, VoteTurn)
    open_one = replace(voted, turns=(*voted.turns, waiting), state="running")
    document = json.loads(export_votes(open_one, "json"))
    assert [turn["number"] for turn in document["turns"]] == [0, 1, 2, 3]
    assert "seed" not in document["spec"]
    assert json.loads(export_votes(voted, "json"))["spec"]["seed"] == 5


def test_the_same_weights_asked_the_same_way_are_one_across_sessions(voted: VotingSnapshot) -> None:
    renamed = session(
        session_spec("Again?", targets=("renamed", "large")), answered(0, "a", "x", "y"), hashes=("h1", "h2")
    )
    both = tally([voted, renamed])
    assert len(both.entries) == 2
    assert both.ranked().votes == 5
    elsewhere = session(session_spec("Again?"), answered(0, "a", "x", "y"), hashes=("other", "h2"))
    assert len(tally([voted, elsewhere]).entries) == 3


def test_seeds_and_threads_make_no_other_contestant_but_parameters_do() -> None:
    spec = session_spec("Again?")

    def with_config(config: ModelConfig) -> VotingSnapshot:
        first = spec.contestants[0].model_copy(update={"config": config})
        return session(
            spec.model_copy(update={"contestants": (first, spec.contestants[1])}), answered(0, "a", "x", "y")
        )

    same = [with_config(ModelConfig(temperature=0.0, seed=seed, n_threads=seed)) for seed in (1, 2)]
    assert len(tally(same).entries) == 2
    warmer = tally([*same, with_config(ModelConfig(temperature=1.0))])
    assert len(warmer.entries) == 3
    assert sorted(warmer.labels.values()) == ["Large", "Small · temperature 0.0", "Small · temperature 1.0"]


def test_a_tag_ranks_the_votes_on_its_prompts(voted: VotingSnapshot) -> None:
    found = tally([voted], tag="What")
    assert (len(found.votes), found.tags) == (1, ("What", "Why"))


def test_votes_become_pairs_that_training_reads(voted: VotingSnapshot, tmp_path: Path) -> None:
    assert write_pairs(tmp_path / "pairs" / "votes.jsonl", [voted, voted]) == 2
    rows = [json.loads(line) for line in (tmp_path / "pairs" / "votes.jsonl").read_text("utf-8").splitlines()]
    (pair,) = examples_of(rows[0], "preference")
    assert (pair.chosen, pair.rejected) == ("It scatters light.", "It is paint.")  # type: ignore[union-attr]
    assert [message.content for message in pair.prompt] == ["Be brief.", "Why is it blue?"]  # type: ignore[union-attr]


def test_ties_alone_teach_nothing(tmp_path: Path) -> None:
    undecided = session(session_spec("Why?"), answered(0, TIE, "x", "y"), answered(1, BAD, "x", "z"))
    with pytest.raises(ConfigurationError, match="nothing to learn"):
        write_pairs(tmp_path / "votes.jsonl", [undecided])


def test_the_best_of_four_is_three_pairs() -> None:
    spec = session_spec("Why?", targets=TARGETS, shown=4)
    four = session(spec, answered(0, "c", "1", "2", "3", "4", places="abcd"))
    assert [row["rejected"][0]["content"] for row in preference_rows([four])] == ["1", "2", "4"]
    assert [(one.second, one.value) for one in human_preferences([four]) if one.first == "medium"] == [("tiny", 1.0)]


def test_people_prefer_what_they_were_asked_about(voted: VotingSnapshot) -> None:
    found = human_preferences([voted])
    assert [one.value for one in found] == [1.0, 1.0, 0.5]
    assert (found[1].first, found[1].first_text) == ("large", HOSTILE)
    assert human_preferences([voted], "another set") == []
