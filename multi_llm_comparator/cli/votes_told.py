"""What votes say, for the command line: the ranking, pairs to tune with, scores of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli.consoles import messages, output, print_json, print_table, say
from multi_llm_comparator.cli.export import language_of
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.voting.export_markdown import RANKING_NAMES, ranking_rows
from multi_llm_comparator.voting.human_preferences import human_preferences
from multi_llm_comparator.voting.preference_pairs import write_pairs
from multi_llm_comparator.voting.ranking import points
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.tally import tally
from multi_llm_comparator.voting.words import notes, verdict_lines
from multi_llm_comparator.voting.words import say as in_words
from multi_llm_comparator.wiring import Services


async def ranking(
    work: Services, run_ids: Sequence[str], tag: str, with_style: bool, language: str, as_json: bool
) -> None:
    """Raises RunNotFoundError; ConfigurationError: no such language."""
    words = language_of(language)
    sessions = await _sessions(work, run_ids)
    if as_json:
        print_json(told_ranking(sessions, tag=tag, with_style=with_style, language=words))
        return
    found = tally(sessions, tag=tag)
    ranked = found.ranked(with_style=with_style)
    if ranked.standings:
        print_table((in_words(words, name) for name in RANKING_NAMES), ranking_rows(found, ranked, words))
    for line in verdict_lines(found, ranked, words):
        output.print(line)
    for note in notes(found, ranked, words):
        messages.print(note, style="dim")


def told_ranking(
    sessions: Sequence[VotingSnapshot], *, tag: str = "", with_style: bool = False, language: Language = "en"
) -> dict[str, Any]:
    """A ranking as plain data. An end of an interval that is not known is None."""
    found = tally(sessions, tag=tag)
    ranked = found.ranked(with_style=with_style)
    standings = []
    for one in ranked.standings:
        entry = found.entries[one.id]
        low = None if one.is_open_below else points(one.low)
        high = None if one.is_open_above else points(one.high)
        told: dict[str, Any] = {"model": found.labels[one.id], "target": entry.target, "fingerprint": entry.fingerprint}
        told |= {"points": one.points, "low": low, "high": high, "compared": one.compared}
        standings.append({**told, **asdict(one)} | {"low": low, "high": high})
    return {
        "standings": standings,
        "verdicts": verdict_lines(found, ranked, language),
        "counted": ranked.votes,
        "ties": ranked.ties,
        "bad": ranked.bad,
        "notes": notes(found, ranked, language),
    }


async def pairs(work: Services, file: Path, run_ids: Sequence[str], as_json: bool) -> None:
    """Raises ConfigurationError: no vote prefers one answer to another."""
    path = file.expanduser()
    count = write_pairs(path, await _sessions(work, run_ids))
    tuned = f"llm-cooperation tune --method dpo --data_path {path}"
    say(f"{count} pairs are in {path}; tune with: {tuned}", as_json, {"written": str(path), "pairs": count})


async def scores(work: Services, run_id: str, as_json: bool) -> None:
    """Raises RunNotFoundError."""
    run = await work.evaluations.get(run_id)
    count = await run.take_votes(human_preferences(await work.votes.all_sessions()))
    say(f"{count} scores by people are in evaluation {run_id}", as_json, {"run_id": run_id, "scores": count})


async def _sessions(work: Services, run_ids: Sequence[str]) -> list[VotingSnapshot]:
    """These, or the latest of all."""
    if not run_ids:
        return await work.votes.all_sessions()
    return [(await work.votes.get(run_id)).snapshot() for run_id in run_ids]
