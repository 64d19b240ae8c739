"""The report of one question: answer, plan, figures, prediction beside what happened."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from pathlib import Path

from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.judging import Verdict
from multi_llm_comparator.evaluation.outcomes import step_outcomes, step_row
from multi_llm_comparator.evaluation.report_parts import judged_section, model_charts, model_table
from multi_llm_comparator.evaluation.reports import figure, percent, quoted, table, write_csv, write_json
from multi_llm_comparator.plans.export_json import run_data
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics, unanswered
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.performance import ModelPerformance, PerformanceTracker
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_gantt import gantt_of
from multi_llm_comparator.plans.run_graph import graph_of

REPORT_FILE = "report.md"
GRAPH_FILE = "dag.svg"
MAX_CELL_CHARS = 200
GRAPH_SECTION = (
    f"## What needs what\n\n![Task-dependency graph]({GRAPH_FILE})\n\n"
    "Each step stands below those whose answers it needs; bold is the critical path.\n"
)


def write_run_report(
    folder: Path, run: PlanRun, outlook: Outlook | None = None, *, verdicts: Sequence[Verdict] = ()
) -> Path:
    """Write ``report.md`` with its charts, ``run.json``, ``steps.csv`` and ``plan.xml``; returns the report."""
    tracker = PerformanceTracker()
    metrics = tracker.track(run)
    models = tracker.models()
    data = {**run_data(run, outlook), "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts]}
    write_json(folder / "run.json", data)
    write_csv(folder / "steps.csv", [step_row(step) for step in step_outcomes(run)])
    if run.plan:
        write_atomically(folder / "plan.xml", run.plan.to_xml() + "\n")
    write_atomically(
        folder / "gantt.svg",
        gantt_of(run, metrics.critical_path, outlook.prediction.outlines if outlook and outlook.prediction else None),
    )
    if graph := graph_of(run, metrics.critical_path):
        write_atomically(folder / GRAPH_FILE, graph)
    for name, chart in model_charts(models).items():
        write_atomically(folder / name, chart)
    path = folder / REPORT_FILE
    write_atomically(path, _markdown(run, metrics, models, outlook, verdicts))
    return path


def _markdown(
    run: PlanRun,
    metrics: RunMetrics,
    models: dict[str, ModelPerformance],
    outlook: Outlook | None,
    verdicts: Sequence[Verdict],
) -> str:
    executor = run.options.executor
    parts = [
        "# A question answered together\n",
        quoted(run.question),
        f"## Answer\n\n{_answer(run)}",
        f"Run `{run.id}`: {run.state}. Planner `{run.options.router_model}`, small `{executor.small_model}`, large "
        f"`{executor.large_model}`, threshold {executor.threshold if executor.enable_threshold else 'off'}, "
        f"{executor.workers} workers.\n",
        f"## Figures\n\n{_figures(metrics)}",
        alone_section(run, metrics, outlook) if outlook else "",
        "## What ran when\n\n![Gantt chart](gantt.svg)\n\nPale is waiting, bold labels are the critical path"
        + (", dashed outlines are the prediction" if outlook and outlook.prediction else "")
        + ".\n",
        GRAPH_SECTION if run.steps else "",
        f"## Steps\n\n{_steps(run)}",
        f"## Models\n\n{model_table(models)}\n![Tokens by model](tokens.svg)\n\n![Time by model](time.svg)\n",
        theory_section(outlook) if outlook else "",
        judged_section(verdicts),
        _planning_notes(run),
    ]
    return "\n".join(filter(None, parts))


def _answer(run: PlanRun) -> str:
    answer = quoted(run.answer) if run.answer is not None else f"No answer: {_plain(run.error)}\n"
    missing = unanswered(run)
    return f"{answer}\nWithout an answer: steps {', '.join(missing)}.\n" if missing else answer


def _figures(metrics: RunMetrics) -> str:
    path = critical_path_words(metrics)
    rows = [
        ("wall time, from the question to the end", figure(metrics.wall_s, "s")),
        ("of it only loading models", figure(metrics.loading_s, "s")),
        ("planning", figure(metrics.planning_s, "s")),
        ("sum of step times", figure(metrics.work_s, "s")),
        ("time in which steps were at work", figure(metrics.steps_s, "s")),
        ("speed-up (the sum over that time)", figure(metrics.speed_up)),
        ("critical path", f"{path or '–'} ({figure(metrics.critical_path_s, 's')})"),
        ("steps done", f"{metrics.done} of {metrics.steps}"),
        ("depth", metrics.depth),
        ("compression ratio (depth / steps)", figure(metrics.compression_ratio)),
        ("mean token limit per step", figure(metrics.mean_token)),
        ("tokens in / out", f"{metrics.prompt_tokens:,} / {metrics.tokens:,}"),
        (
            "tokens of steps by the small / large model",
            f"{percent(metrics.share_small)} / {percent(metrics.share_large)}",
        ),
        ("cost", figure(metrics.cost_usd, "USD")),
        ("plans asked for again / repairs", f"{metrics.replans} / {metrics.repairs}"),
    ]
    note = "\nAll times but the wall time leave the loading of models out; sums are of the steps that have an answer.\n"
    return table(("figure", "value"), rows) + note


def critical_path_words(metrics: RunMetrics) -> str:
    """What is on the critical path, in its order."""
    planner, answer = ["planner"] * bool(metrics.critical_planning_s), ["aggregation"] * bool(metrics.answer_s)
    return " → ".join([*planner, *metrics.critical_path, *answer])


def in_one_line(run: PlanRun, outlook: Outlook) -> str:
    """What a run took, beside what was predicted and what the large model alone would have taken."""
    metrics, prediction = run_metrics(run), outlook.prediction
    words = [figure(metrics.wall_s, "s")]
    if metrics.loading_s:
        words.append(f"{figure(metrics.loading_s, 's')} of it only loading models")
    if prediction is not None and prediction.actual_s is not None:
        words.append(
            f"predicted {figure(prediction.total_s, 's')} for {figure(prediction.actual_s, 's')} without loading"
        )
    return f"{', '.join(words)}; {alone_words(run, metrics, outlook)}"


def alone_section(run: PlanRun, metrics: RunMetrics, outlook: Outlook) -> str:
    """What the large model alone would have taken."""
    return f"## The large model alone\n\n{alone_words(run, metrics, outlook)}.\n"


def alone_words(run: PlanRun, metrics: RunMetrics, outlook: Outlook) -> str:
    """How long the large model alone would have taken, and whether splitting the question paid."""
    if (alone := outlook.alone) is None:
        model = run.options.executor.large_model
        why = "there is no answer" if run.answer is None else "no earlier run tells how fast it is"
        return f"how long `{model}` alone would have taken is not known: {why}"
    words = (
        f"`{alone.model}` alone would have taken {figure(alone.seconds, 's')} to write as much as the steps did "
        f"({alone.tokens:,} tokens), by its {alone.answers:,} earlier answers"
    )
    together_s = (metrics.wall_s or 0.0) - metrics.loading_s
    if together_s <= 0 or not alone.seconds:
        return words
    gain = alone.seconds / together_s
    pays = f"{figure(gain)} times as fast" if gain >= 1 else f"{figure(1 / gain)} times as slow"
    return f"{words}; together it took {figure(together_s, 's')} without loading, {pays}"


def _steps(run: PlanRun) -> str:
    heading = ("step", "task", "relies on", "difficulty", "model", "state", "queue", "TTFT", "time", "tokens", "answer")
    rows = [
        (
            step.metrics.id,
            cut_line(step.task, MAX_CELL_CHARS),
            ", ".join(step.rely) or "–",
            step.metrics.difficulty,
            f"{step.metrics.model or '–'} ({step.size})",
            step.metrics.state,
            figure(step.metrics.queued_s, "s"),
            figure(step.metrics.ttft_s, "s"),
            figure(step.metrics.duration_s, "s"),
            step.metrics.tokens,
            cut_line(step.answer if step.answer is not None else step.error or "–", MAX_CELL_CHARS),
        )
        for step in step_outcomes(run)
    ]
    cut = [step.step.id for step in run.steps.values() if step.was_cut]
    note = f"\nCut at their token limit, so the end may be missing: steps {', '.join(cut)}.\n" if cut else ""
    return table(heading, rows) + note


def theory_section(outlook: Outlook) -> str:
    """The predicted schedule and how far it was off."""
    if (prediction := outlook.prediction) is None:
        unknown = ", ".join(f"`{name}`" for name in outlook.unknown)
        why = f"no earlier run tells how these work: {unknown}" if unknown else "there was no plan to predict"
        return f"## Theory\n\nNo prediction: {why}.\n"
    schedule = prediction.schedule
    profiles = table(
        ("model", "asked for", "TTFT", "speed", "tokens an answer", "USD per million tokens", "answers it is from"),
        [
            (
                name,
                part,
                figure(p.ttft_s, "s"),
                figure(p.tokens_per_second, "tokens/s"),
                "its budget" if p.tokens == inf else figure(p.tokens),
                figure(1e6 * p.usd_per_token),
                str(p.answers),
            )
            for (name, part), p in prediction.profiles.items()
        ],
    )
    planner = ["planner"] * (prediction.planning_s is not None)
    path = " → ".join([*planner, *schedule.critical_path, *["aggregation"] * (prediction.answer_s is not None)])
    rows = [
        ("from the question to the end, without loading", figure(prediction.total_s, "s"),
         figure(prediction.actual_s, "s")),
        ("critical path", f"{path} ({figure(prediction.critical_path_s, 's')})", ""),
        ("error", percent(prediction.error), ""),
    ]  # fmt: skip
    return f"## Theory\n\n{table(('', 'predicted', 'actual'), rows)}\nFrom these profiles:\n\n{profiles}"


def _planning_notes(run: PlanRun) -> str:
    lines = [
        f"- attempt {number} could not be used: {_plain(a.error)}"
        for number, a in enumerate(run.planning, 1)
        if a.error
    ]
    lines += [f"- repaired: {_plain(repair)}" for attempt in run.planning for repair in attempt.repairs]
    if run.plan_is_direct:
        lines.append("- without a usable plan, the question was asked directly")
    return "## About the plan\n\n" + "\n".join(lines) + "\n" if lines else ""


def _plain(text: str | None) -> str:
    return " ".join((text or "").replace("<", "&lt;").split())
