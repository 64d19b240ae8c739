"""A run as spans over time: planner, steps and aggregation, with the prediction as outlines."""

from __future__ import annotations

from collections.abc import Collection

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.svg import Span, SpanRow, gantt_chart


def gantt_of(run: PlanRun, critical: Collection[str], prediction: Prediction | None = None) -> str:
    """The chart as SVG. Waiting is pale, the steps of ``critical`` are marked."""
    origin = prediction.origin if prediction else run.created_at
    outlines = (
        {s.step.id: Span(s.start_s, s.end_s, s.target, "outline") for s in prediction.schedule.steps}
        if prediction
        else {}
    )
    planner = run.options.router_model
    rows = [
        SpanRow(f"plan {number}" if number > 1 else "plan", _spans(attempt.progress, planner, origin))
        for number, attempt in enumerate(run.planning, 1)
    ]
    for step_id, step in run.steps.items():
        spans = _step_spans(step, origin)
        if outline := outlines.get(step_id):
            spans = (*spans, outline)
        rows.append(SpanRow(f"{step_id}: {step.step.task[:22]}", spans, step_id in critical))
    if run.aggregate:
        target = run.options.aggregator or run.options.executor.large_model
        rows.append(SpanRow("put together", _spans(run.aggregate, target, origin)))
    return gantt_chart("What ran when", rows)


def _step_spans(step: StepRun, origin: float) -> tuple[Span, ...]:
    spans: list[Span] = []
    if step.ready_at is not None and step.started_at is not None:
        target = step.attempts[0].target if step.attempts else ""
        spans.append(_span(step.ready_at, step.started_at, target, origin, "pale", "waiting for a worker"))
    for attempt in step.attempts:
        spans += _spans(attempt.progress, attempt.target, origin)
    return tuple(spans)


def _spans(progress: AnswerProgress, target: str, origin: float) -> tuple[Span, ...]:
    end = progress.ended_at or progress.last_token_at
    if end is None:
        return ()
    first = progress.first_token_at
    if first is None:
        return (_span(progress.requested_at, end, target, origin, "pale", progress.error or "no text"),)
    return (
        _span(progress.requested_at, first, target, origin, "pale", "to the first token"),
        _span(first, end, target, origin, "solid", f"{target}, {progress.tokens} tokens"),
    )


def _span(start: float, end: float, target: str, origin: float, style: str, note: str) -> Span:
    return Span(max(0.0, start - origin), max(0.0, end - origin), target, style, note)
