"""The report of one question: answer, plan, figures, prediction beside what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.plans.documents import run_document, step_record
from multi_llm_comparator.plans.judging import Verdict
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics
from multi_llm_comparator.plans.outcomes import step_outcomes, step_row, unanswered
from multi_llm_comparator.plans.performance import ModelPerformance, PerformanceTracker
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.report_parts import judged_section, model_charts, model_table
from multi_llm_comparator.plans.reports import figure, percent, quoted, table, write_csv, write_json
from multi_llm_comparator.plans.run_gantt import gantt_of
from multi_llm_comparator.plans.run_graph import graph_of
from multi_llm_comparator.plans.theory import ModelProfile

REPORT_FILE = "report.md"
GRAPH_FILE = "dag.svg"
GRAPH_SECTION = (
    f"## What needs what\n\n![Task-dependency graph]({GRAPH_FILE})\n\n"
    "Each step stands below those whose answers it needs; bold is the critical path.\n"
)


def write_run_report(
    folder: Path, run: PlanRun, *, prediction: Prediction | None = None, verdicts: Sequence[Verdict] = ()
) -> Path:
    """Write ``report.md`` with its charts, ``run.json``, ``steps.csv`` and ``plan.xml``; returns the report."""
    tracker = PerformanceTracker()
    metrics = tracker.track(run)
    models = tracker.models()
    write_json(folder / "run.json", run_data(run, prediction, verdicts))
    write_csv(folder / "steps.csv", [step_row(step) for step in step_outcomes(run)])
    if run.plan:
        write_atomically(folder / "plan.xml", run.plan.to_xml() + "\n")
    write_atomically(folder / "gantt.svg", gantt_of(run, metrics.critical_path, prediction))
    if graph := graph_of(run, metrics.critical_path):
        write_atomically(folder / GRAPH_FILE, graph)
    for name, chart in model_charts(models).items():
        write_atomically(folder / name, chart)
    path = folder / REPORT_FILE
    write_atomically(path, _markdown(run, metrics, models, prediction, verdicts))
    return path


def run_data(run: PlanRun, prediction: Prediction | None, verdicts: Sequence[Verdict] = ()) -> dict[str, Any]:
    """Everything of a run as plain data."""
    return {
        "id": run.id,
        "run": run_document(run).model_dump(mode="json"),
        "steps": [dict(step_record(run.id, step).record) for step in run.steps.values()],
        "metrics": asdict(run_metrics(run)),
        "theory": _theory_data(prediction) if prediction else None,
        "verdicts": [verdict.model_dump(mode="json") for verdict in verdicts],
    }


def _theory_data(prediction: Prediction) -> dict[str, Any]:
    schedule = prediction.schedule
    return {
        "makespan_s": schedule.makespan_s,
        "actual_s": prediction.actual_s,
        "error": prediction.error,
        "critical_path": schedule.critical_path,
        "critical_path_s": schedule.critical_path_s,
        "usd": schedule.usd,
        "steps": [
            {"id": s.step.id, "target": s.target, "start_s": s.start_s, "first_s": s.first_s, "end_s": s.end_s}
            for s in schedule.steps
        ],
        "profiles": {name: _profile_data(profile) for name, profile in prediction.profiles.items()},
    }


def _profile_data(profile: ModelProfile) -> dict[str, Any]:
    """Its figures, without the answers that they come from."""
    figures = {f.name: getattr(profile, f.name) for f in fields(profile) if f.init and f.name != "seen"}
    return {
        name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
        for name, value in figures.items()
    }


def _markdown(
    run: PlanRun,
    metrics: RunMetrics,
    models: dict[str, ModelPerformance],
    prediction: Prediction | None,
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
        "## What ran when\n\n![Gantt chart](gantt.svg)\n\nPale is waiting, bold labels are the critical path"
        + (", dashed outlines are the prediction" if prediction else "")
        + ".\n",
        GRAPH_SECTION if run.steps else "",
        f"## Steps\n\n{_steps(run)}",
        f"## Models\n\n{model_table(models)}\n![Tokens by model](tokens.svg)\n\n![Time by model](time.svg)\n",
        theory_section(prediction),
        judged_section(verdicts),
        _planning_notes(run),
    ]
    return "\n".join(filter(None, parts))


def _answer(run: PlanRun) -> str:
    answer = quoted(run.answer) if run.answer is not None else f"No answer: {_plain(run.error)}\n"
    missing = unanswered(run)
    return f"{answer}\nWithout an answer: steps {', '.join(missing)}.\n" if missing else answer


def _figures(metrics: RunMetrics) -> str:
    rows = [
        ("wall time", figure(metrics.wall_s, "s")),
        ("planning", figure(metrics.planning_s, "s")),
        ("sum of step times", figure(metrics.work_s, "s")),
        ("steps, first start to last end", figure(metrics.steps_s, "s")),
        ("speed-up", figure(metrics.speed_up)),
        ("critical path", f"{' → '.join(metrics.critical_path) or '–'} ({figure(metrics.critical_path_s, 's')})"),
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
    return table(("figure", "value"), rows)


def _steps(run: PlanRun) -> str:
    heading = ("step", "task", "relies on", "difficulty", "model", "state", "queue", "TTFT", "time", "tokens", "answer")
    rows = [
        (
            step.metrics.id,
            _short(step.task),
            ", ".join(step.rely) or "–",
            step.metrics.difficulty,
            f"{step.metrics.model or '–'} ({step.size})",
            step.metrics.state,
            figure(step.metrics.queued_s, "s"),
            figure(step.metrics.ttft_s, "s"),
            figure(step.metrics.duration_s, "s"),
            step.metrics.tokens,
            _short(step.answer if step.answer is not None else step.error or "–"),
        )
        for step in step_outcomes(run)
    ]
    cut = [step.step.id for step in run.steps.values() if step.was_cut]
    note = f"\nCut at their token limit, so the end may be missing: steps {', '.join(cut)}.\n" if cut else ""
    return table(heading, rows) + note


def theory_section(prediction: Prediction | None) -> str:
    """The predicted schedule and how far it was off."""
    if prediction is None:
        return "## Theory\n\nNo prediction: not every model has answered often enough to be known.\n"
    schedule = prediction.schedule
    profiles = table(
        ("model", "TTFT", "speed", "tokens an answer", "USD per million tokens", "answers it is from"),
        [
            (
                name,
                figure(p.ttft_s, "s"),
                figure(p.tokens_per_second, "tokens/s"),
                figure(p.tokens_per_answer),
                figure(1e6 * p.usd_per_token),
                str(p.answers),
            )
            for name, p in prediction.profiles.items()
        ],
    )
    rows = [
        ("end of the last step", figure(schedule.makespan_s, "s"), figure(prediction.actual_s, "s")),
        ("critical path", f"{' → '.join(schedule.critical_path)} ({figure(schedule.critical_path_s, 's')})", ""),
        ("error", percent(prediction.error), ""),
        ("speed-up over one worker", figure(schedule.speed_up), ""),
    ]
    own = ", ".join(f"`{name}`" for name in prediction.from_itself)
    note = f"\nNo earlier run tells how fast these are; what this one took was used for them: {own}.\n" if own else ""
    return f"## Theory\n\n{table(('', 'predicted', 'actual'), rows)}\nFrom these profiles:\n\n{profiles}{note}"


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


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:199] + "…"
