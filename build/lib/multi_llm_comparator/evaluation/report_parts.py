"""Sections that several reports have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from multi_llm_comparator.charts.svg import Bar, bar_chart
from multi_llm_comparator.evaluation.judging import Verdict, mean_scores
from multi_llm_comparator.evaluation.reports import figure, table
from multi_llm_comparator.plans.performance import ModelPerformance


def model_table(models: Mapping[str, ModelPerformance]) -> str:
    """What each model did."""
    heading = ("model", "calls", "failed", "tokens in", "tokens out", "TTFT", "speed", "time", "cost")
    rows = [
        (
            m.target,
            m.calls,
            m.failures,
            f"{m.prompt_tokens:,}",
            f"{m.tokens:,}",
            figure(m.ttft_s, "s"),
            figure(m.tokens_per_second, "tokens/s"),
            figure(m.busy_s, "s"),
            figure(m.cost_usd, "USD"),
        )
        for m in models.values()
    ]
    return table(heading, rows)


def model_charts(models: Mapping[str, ModelPerformance]) -> dict[str, str]:
    """File name to SVG: tokens and time by model."""
    tokens = [Bar(m.target, m.tokens, m.target, f"{m.tokens:,}") for m in models.values()]
    seconds = [Bar(m.target, m.busy_s, m.target, figure(m.busy_s, "s")) for m in models.values()]
    return {
        "tokens.svg": bar_chart("Tokens generated, by model", tokens),
        "time.svg": bar_chart("Seconds at work, by model", seconds),
    }


def judged_section(verdicts: Sequence[Verdict]) -> str:
    """Scores and reasons of a run's judge."""
    if not verdicts:
        return ""
    rows: list[tuple[str, str, object, str]] = [
        (v.part, s.criterion, s.score, s.reason) for v in verdicts for s in v.scores
    ]
    rows += [(v.part, "–", "unjudged", v.error or "") for v in verdicts if not v.scores]
    judges = ", ".join(dict.fromkeys(f"`{v.judge}`" for v in verdicts))
    return f"## Judged by {judges}\n\n{table(('part', 'criterion', 'score (1–10)', 'reason'), rows)}"


def mean_scores_section(verdicts: Sequence[Verdict]) -> str:
    """Mean scores over many questions."""
    if not verdicts:
        return ""
    rows = [(part, criterion, figure(mean)) for (part, criterion), mean in mean_scores(verdicts).items()]
    unjudged = sum(not v.scores for v in verdicts)
    judges = ", ".join(dict.fromkeys(f"`{v.judge}`" for v in verdicts))
    note = f"\n{unjudged} of {len(verdicts)} verdicts could not be read and count nowhere.\n" if unjudged else ""
    return f"## Judged by {judges}\n\n{table(('part', 'criterion', 'mean score (1–10)'), rows)}{note}"
