"""The parts of a report that every form of it has."""

from __future__ import annotations

from multi_llm_comparator.core.readable import NOTHING, Language, seconds
from multi_llm_comparator.evaluation.measuring.results import Results
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import (
    interval_words,
    mean_words,
    source_name,
    trust_sentence,
    verdict_sentence,
    words_of,
)


def verdict_lines(snapshot: EvaluationSnapshot, results: Results, language: Language) -> list[str]:
    """The verdicts of all sources; those by a judge after what is known of the judge."""
    lines = []
    if results.trust is not None and any(verdict.basis == "judge" for verdict in results.verdicts):
        lines.append(trust_sentence(results.trust, snapshot.spec, language))
    say, several = words_of(language), len(results.sources) > 1
    for verdict in results.verdicts:
        prefix = f"{source_name(say, verdict.source)}: " if several else ""
        lines.append(prefix + verdict_sentence(verdict, snapshot.spec, language))
    return lines


def result_table(
    snapshot: EvaluationSnapshot, results: Results, language: Language
) -> tuple[list[str], list[list[str]]]:
    """Heading and rows: a row for each subject in each source."""
    say = words_of(language)
    names = ("model", "source", "mean", "interval", "right", "items", "failed", "open", "speed", "memory", "load")
    costs = {cost.subject: cost for cost in results.costs}
    rows = []
    for found in results.subjects:
        cost = costs[found.subject]
        rows.append(
            [
                snapshot.spec.subject(found.subject).name,
                source_name(say, found.source),
                mean_words(found.interval),
                interval_words(found.interval),
                str(found.right),
                str(found.interval.n if found.interval else 0),
                str(found.failed),
                str(found.open),
                NOTHING if cost.tokens_per_s is None else f"{cost.tokens_per_s:.1f} tok/s",
                NOTHING if cost.memory_bytes is None else f"{cost.memory_bytes / 2**20:,.0f} MiB",
                seconds(cost.load_s, language),
            ]
        )
    return [say(name) for name in names], rows
