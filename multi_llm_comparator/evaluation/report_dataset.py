"""The report of a data set: accuracy, planning, who did what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from multi_llm_comparator.charts.svg import Bar, bar_chart
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome, step_row
from multi_llm_comparator.evaluation.report_parts import mean_scores_section
from multi_llm_comparator.evaluation.reports import figure, percent, table, write_csv, write_json
from multi_llm_comparator.evaluation.task_split import split_by_difficulty
from multi_llm_comparator.plans.metrics import RunMetrics

REPORT_FILE = "dataset_report.md"
RESULTS_FILE = "dataset_results.json"
MAX_LISTED_ERRORS = 20


@dataclass(frozen=True)
class PlanningFigures:
    """How questions were taken apart, on average over those with a plan of their own."""

    plans: int
    mean_steps: float | None
    mean_compression_ratio: float | None
    mean_token: float | None
    mean_depth: float | None


def planning_figures(outcomes: Sequence[QuestionOutcome]) -> PlanningFigures:
    """Means over questions; the token limit is the mean over all steps of all plans."""
    planned = [o.metrics for o in outcomes if o.metrics and o.metrics.steps and not o.plan_is_direct]
    steps = sum(m.steps for m in planned)
    return PlanningFigures(
        plans=len(planned),
        mean_steps=_mean(planned, lambda m: m.steps),
        mean_compression_ratio=_mean(planned, lambda m: m.compression_ratio),
        mean_token=sum(m.mean_token * m.steps for m in planned) / steps if steps else None,
        mean_depth=_mean(planned, lambda m: m.depth),
    )


def write_dataset_report(
    folder: Path, outcomes: Sequence[QuestionOutcome], about: Mapping[str, object], *, notes: Sequence[str] = ()
) -> Path:
    """Write ``dataset_report.md`` with its charts, ``dataset_results.json`` and the CSV files; returns the report.

    Args:
        folder: where to.
        outcomes: of all questions that have one.
        about: what was run, as rows of a table.
        notes: sentences that stand below that table.
    """
    write_json(folder / RESULTS_FILE, [outcome.model_dump(mode="json") for outcome in outcomes])
    write_csv(folder / "questions.csv", [_question_row(outcome) for outcome in outcomes])
    write_csv(folder / "steps.csv", [{"question": o.id, **step_row(s)} for o in outcomes for s in o.steps])
    charts = _charts(outcomes)
    for name, chart in charts.items():
        write_atomically(folder / name, chart)
    path = folder / REPORT_FILE
    write_atomically(path, _markdown(outcomes, about, notes, charts))
    return path


def accuracy_by(
    outcomes: Sequence[QuestionOutcome], group_of: Callable[[QuestionOutcome], str | None]
) -> dict[str, tuple[int, int]]:
    """Group to (right, judged), in the order of their names; outcomes without a group are left out."""
    found: dict[str, tuple[int, int]] = {}
    for outcome in outcomes:
        group = group_of(outcome)
        if group is not None and outcome.correct is not None:
            right, judged = found.get(group, (0, 0))
            found[group] = (right + outcome.correct, judged + 1)
    return dict(sorted(found.items()))


def _markdown(
    outcomes: Sequence[QuestionOutcome], about: Mapping[str, object], notes: Sequence[str], charts: Mapping[str, str]
) -> str:
    verdicts = [verdict for outcome in outcomes for verdict in outcome.verdicts]
    parts = [
        "# Data-set report\n",
        table(("run", ""), about.items()),
        "".join(f"{note}\n" for note in notes),
        f"## Result\n\n{_result(outcomes)}",
        f"## Task planning\n\n{_planning(planning_figures(outcomes))}",
        f"## Time, tokens and cost\n\n{_effort(outcomes)}",
        f"## Steps by difficulty\n\n{split_table(outcomes)}",
        f"## Models\n\n{_models(outcomes)}",
        "".join(f"![{name.removesuffix('.svg').replace('_', ' ')}]({name})\n\n" for name in charts),
        mean_scores_section(verdicts),
        _errors(outcomes),
    ]
    return "\n".join(filter(None, parts))


def _result(outcomes: Sequence[QuestionOutcome]) -> str:
    judged = [o for o in outcomes if o.correct is not None]
    right = sum(o.correct is True for o in judged)
    rows: list[tuple[str, object]] = [
        ("questions", len(outcomes)),
        ("answered", sum(o.answer is not None for o in outcomes)),
        ("failed", sum(o.state == "failed" for o in outcomes)),
        ("with a known answer", len(judged)),
        ("right", right),
        ("accuracy", percent(right / len(judged) if judged else None)),
    ]
    return table(("", ""), rows)


def _planning(found: PlanningFigures) -> str:
    rows: list[tuple[str, object]] = [
        ("plans", found.plans),
        ("mean steps per question", figure(found.mean_steps)),
        ("mean compression ratio (critical path depth / steps; lower: more in parallel)",
         figure(found.mean_compression_ratio)),
        ("mean token limit per step", figure(found.mean_token)),
        ("mean depth", figure(found.mean_depth)),
    ]  # fmt: skip
    return table(("figure", "value"), rows)


def _effort(outcomes: Sequence[QuestionOutcome]) -> str:
    all_metrics = [o.metrics for o in outcomes if o.metrics]
    shares = [m for m in all_metrics if m.share_small or m.share_large]
    costs = [m.cost_usd for m in all_metrics if m.cost_usd is not None]
    rows: list[tuple[str, object, object]] = []
    means: tuple[tuple[str, Callable[[RunMetrics], float | None], str], ...] = (
        ("wall time", lambda m: m.wall_s, "s"),
        ("of it only loading models", lambda m: m.loading_s, "s"),
        ("planning", lambda m: m.planning_s, "s"),
        ("sum of step times", lambda m: m.work_s, "s"),
        ("critical path", lambda m: m.critical_path_s, "s"),
        ("tokens in", lambda m: m.prompt_tokens, ""),
        ("tokens out", lambda m: m.tokens, ""),
        ("plans asked for again", lambda m: m.replans, ""),
        ("repairs", lambda m: m.repairs, ""),
    )
    for name, value_of, unit in means:
        total = sum(value_of(m) or 0 for m in all_metrics)
        rows.append((name, figure(_mean(all_metrics, value_of), unit), figure(total, unit)))
    rows.append(("speed-up", figure(_mean(all_metrics, lambda m: m.speed_up)), ""))
    rows.append(("tokens of steps by the small model", percent(_mean(shares, lambda m: m.share_small)), ""))
    rows.append(("tokens of steps by the large model", percent(_mean(shares, lambda m: m.share_large)), ""))
    rows.append(("cost", figure(fmean(costs) if costs else None, "USD"), figure(sum(costs) if costs else None, "USD")))
    note = "\nAll times but the wall time leave the loading of models out.\n"
    return table(("figure", "mean per question", "sum"), rows) + note


def split_table(outcomes: Sequence[QuestionOutcome], threshold: int | None = None) -> str:
    """Steps by difficulty and by who solved them, in Markdown."""
    heading = ("difficulty", "steps", "small", "large", "small share", "tokens small", "tokens large", "failed")
    rows = [
        ("all" if r.difficulty is None else r.difficulty, r.steps, r.small, r.large, percent(r.share_small),
         f"{r.small_tokens:,}", f"{r.large_tokens:,}", r.failed)
        for r in split_by_difficulty(outcomes, threshold)
    ]  # fmt: skip
    return table(heading, rows)


def _by_model(outcomes: Sequence[QuestionOutcome]) -> dict[str, tuple[int, int, float]]:
    """Model to (steps, tokens, seconds)."""
    found: dict[str, tuple[int, int, float]] = {}
    for step in (s for o in outcomes for s in o.steps):
        name = step.metrics.model or step.metrics.target
        if name is not None:
            steps, tokens, seconds = found.get(name, (0, 0, 0.0))
            found[name] = (steps + 1, tokens + step.metrics.tokens, seconds + (step.metrics.duration_s or 0.0))
    return dict(sorted(found.items()))


def _models(outcomes: Sequence[QuestionOutcome]) -> str:
    rows = [(n, s, f"{t:,}", figure(seconds, "s")) for n, (s, t, seconds) in _by_model(outcomes).items()]
    return table(("model that solved steps", "steps", "tokens", "time"), rows)


def _charts(outcomes: Sequence[QuestionOutcome]) -> dict[str, str]:
    models = _by_model(outcomes)
    charts = {
        "tokens.svg": bar_chart(
            "Tokens of steps, by model", [Bar(n, t, n, f"{t:,}") for n, (_, t, _) in models.items()]
        ),
        "time.svg": bar_chart(
            "Seconds at steps, by model", [Bar(n, s, n, figure(s, "s")) for n, (_, _, s) in models.items()]
        ),
    }
    for name, group_of in (("difficulty", lambda o: o.difficulty), ("subject", lambda o: o.subject)):
        found = accuracy_by(outcomes, group_of)
        if found:
            bars = [Bar(g, right / n, "", f"{percent(right / n)} of {n}") for g, (right, n) in found.items()]
            charts[f"accuracy_by_{name}.svg"] = bar_chart(f"Accuracy by {name}", bars, highest=1.0)
    return charts


def _errors(outcomes: Sequence[QuestionOutcome]) -> str:
    failed = [o for o in outcomes if o.error]
    if not failed:
        return ""
    rows = [(o.id, (o.error or "")[:300]) for o in failed[:MAX_LISTED_ERRORS]]
    more = f"\n... and {len(failed) - len(rows)} more, in {RESULTS_FILE}.\n" if len(failed) > len(rows) else ""
    return f"## What failed\n\n{table(('question', 'error'), rows)}{more}"


_MEASURED = (
    *("steps", "depth", "compression_ratio", "mean_token", "wall_s", "loading_s", "speed_up"),
    *("prompt_tokens", "tokens", "share_small", "cost_usd"),
)


def _question_row(outcome: QuestionOutcome) -> dict[str, object]:
    m = outcome.metrics
    return {
        "id": outcome.id,
        "state": outcome.state,
        "correct": outcome.correct,
        "expected": outcome.expected,
        "answer": outcome.answer,
        "subject": outcome.subject,
        "difficulty": outcome.difficulty,
        **{name: None if m is None else getattr(m, name) for name in _MEASURED},
        "plan_is_direct": outcome.plan_is_direct,
        "error": outcome.error,
    }


def _mean(metrics: Sequence[RunMetrics], value_of: Callable[[RunMetrics], float | None]) -> float | None:
    values = [value for m in metrics if (value := value_of(m)) is not None]
    return fmean(values) if values else None
