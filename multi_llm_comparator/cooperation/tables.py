"""Votes, ranking and figures of a cooperation as rows of words, for reports."""

from __future__ import annotations

from multi_llm_comparator.cooperation.outcome import Count
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.words import words_of
from multi_llm_comparator.core.readable import NOTHING, Language, count, seconds

Table = tuple[list[str], list[list[str]]]


def vote_table(run: CooperationSnapshot, found: Count, language: Language) -> Table:
    """The choices of one round, the heaviest first."""
    say = words_of(language)
    rows = [
        [
            found.words(standing.choice),
            f"{standing.weight:.3g}",
            ", ".join(run.calls[voter].target if voter in run.calls else voter for voter in standing.voters),
        ]
        for standing in found.tally.standings
    ]
    return [say("choice"), say("weight"), say("voters")], rows


def ranking_table(run: CooperationSnapshot, language: Language) -> Table:
    """The answers as reviewers ranked them."""
    say = words_of(language)
    ranking = run.outcome.ranking if run.outcome else ()
    rows = [[ranked.target, f"{ranked.place:.2f}", str(ranked.reviews)] for ranked in ranking]
    return [say("model"), say("place"), say("reviews")], rows


def figure_table(run: CooperationSnapshot, language: Language) -> Table:
    """What each target took."""
    say = words_of(language)
    heading = [say(key) for key in ("model", "calls", "failed", "prompt_tokens", "tokens", "work", "cost")]
    rows = [
        [
            found.target,
            str(found.calls),
            str(found.failed),
            count(found.prompt_tokens),
            count(found.tokens),
            seconds(found.work_s, language),
            NOTHING if found.cost_usd is None else f"${found.cost_usd:.4g}",
        ]
        for found in run.figures()
    ]
    return heading, rows
