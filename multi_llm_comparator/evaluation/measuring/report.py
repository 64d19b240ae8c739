"""The parts of a report that every form of it has."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.readable import Language, cut_line, seconds
from multi_llm_comparator.core.words import Say
from multi_llm_comparator.evaluation.measuring.breakdown import results_by_tag
from multi_llm_comparator.evaluation.measuring.learnt import Learnt
from multi_llm_comparator.evaluation.measuring.results import Results
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import (
    cost_words,
    difference_words,
    interval_words,
    mean_words,
    memory_words,
    source_name,
    speed_words,
    trust_sentence,
    verdict_sentence,
    with_interval,
    words_of,
)

MAX_VALUE_CHARS = 300


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


def remark_lines(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    """What a reader must know of the numbers: which parameters were crossed, how far predictions are apart, what a
    tuned model has learnt of the questions, and whose choices were looked for in texts."""
    return [
        *_ways(snapshot, language),
        *_divergences(snapshot, language),
        *_learnt(snapshot, language),
        *_extracted(snapshot, language),
    ]


def _ways(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    """Where presets or system prompts were crossed, what their names stand for; of one model, for others have the
    same."""
    crossing, subjects = snapshot.spec.crossing, snapshot.spec.subjects
    if crossing is None:
        return []
    mine = [subject for subject in subjects if subject.target == subjects[0].target]
    known = (crossing.base, *(subject.config for subject in mine))
    names = [one.name for one in fields(ModelConfig) if len({repr(getattr(config, one.name)) for config in known}) > 1]
    lines = []
    for one in mine:
        told = (f"{name} {cut_line(repr(getattr(one.config, name)), MAX_VALUE_CHARS)}" for name in names)
        lines.append(words_of(language)("way", model=one.name, parameters=", ".join(told)))
    return lines if names else []


def _divergences(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    spec, say = snapshot.spec, words_of(language)
    lines = []
    for one in snapshot.divergences:
        names = {"model": spec.subject(one.subject).name, "reference": spec.subject(spec.reference or "").name}
        if one.error:
            lines.append(say("divergence_failed", **names, error=one.error))
            continue
        kl = f"{one.mean_kl:.4f}{_from_to(say, one.kl_interval, '.4f')}"
        same = f"{one.top1_agreement:.1%}{_from_to(say, one.top1_interval, '.1%')}"
        lines.append(say("divergence", **names, kl=kl, same=same, tokens=f"{one.tokens:,}", texts=one.texts))
    return lines


def _from_to(say: Say, bounds: tuple[float, float] | None, form: str) -> str:
    return "" if bounds is None else say("from_to", low=f"{bounds[0]:{form}}", high=f"{bounds[1]:{form}}")


def _learnt(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    say = words_of(language)
    # A model that was tuned twice has learnt from both: what says most is said.
    most: dict[tuple[str, str], Learnt] = {}
    for one in snapshot.learnt:
        key = (one.subject, one.source)
        if key not in most or (bool(one.error), one.found) > (bool(most[key].error), most[key].found):
            most[key] = one
    return [_learnt_line(one, snapshot, say) for one in most.values()]


def _learnt_line(one: Learnt, snapshot: EvaluationSnapshot, say: Say) -> str:
    model = snapshot.spec.subject(one.subject).name
    if one.error:
        return say("learnt_unknown", model=model, error=one.error)
    facts = {"model": model, "source": source_name(say, one.source), "n": f"{one.questions:,}"}
    if one.found:
        return say("learnt", **facts, found=one.found, exact=one.exact, overlapping=one.overlapping)
    sampled = say("learnt_sampled", one_in=round(1 / one.sampled)) if one.sampled < 1 else ""
    return say("learnt_not", **facts, sampled=sampled)


def _extracted(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    say = words_of(language)
    counts = Counter(
        (key.subject, snapshot.items[key.item].source)
        for key, cell in snapshot.cells.items()
        if cell.how == "extracted"
    )
    return [
        say("extracted", model=snapshot.spec.subject(subject).name, source=source_name(say, source), n=f"{n:,}")
        for (subject, source), n in sorted(counts.items())
    ]


def tag_table(snapshot: EvaluationSnapshot, language: Language) -> tuple[list[str], list[list[str]]] | None:
    """Heading and rows: a row for each tag; None where there are fewer than two."""
    found, say = results_by_tag(snapshot), words_of(language)
    if not found:
        return None
    names = [subject.name for subject in snapshot.spec.subjects]
    rows = [
        [
            one.tag,
            str(one.items),
            *(with_interval(one.scores[subject.id]) for subject in snapshot.spec.subjects),
            difference_words(one.differences, snapshot.spec, language),
        ]
        for one in found
    ]
    return [say("tags"), say("items"), *names, say("differs")], rows


def result_table(
    snapshot: EvaluationSnapshot, results: Results, language: Language
) -> tuple[list[str], list[list[str]]]:
    """Heading and rows: a row for each subject in each source."""
    say = words_of(language)
    names = ["model", "source", "mean", "interval", "right", "items", "failed", "open", "speed", "memory", "load"]
    costs = {cost.subject: cost for cost in results.costs}
    # Models of this machine cost nothing, and most evaluations have no others.
    if has_cost := any(cost.cost_usd is not None for cost in results.costs):
        names.append("cost")
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
                speed_words(cost),
                memory_words(cost.memory_bytes),
                seconds(cost.load_s, language),
                *([cost_words(cost.cost_usd)] if has_cost else []),
            ]
        )
    return [say(name) for name in names], rows
