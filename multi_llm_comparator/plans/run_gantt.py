"""A run as an SVG Gantt chart: planner, steps and aggregation, with the prediction as outlines."""

from __future__ import annotations

from collections.abc import Collection

from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.svg import Span, SpanRow, gantt_chart
from multi_llm_comparator.plans.timeline import Clock, Lane, Stretch, lanes_of

_NOTES = {
    "worker": "waiting for a worker",
    "model": "waiting for the model",
    "load": "loading the model",
    "prefill": "to the first token",
}


def gantt_of(run: PlanRun, critical: Collection[str], prediction: Prediction | None = None) -> str:
    """The chart as SVG. Waiting is pale, the steps of ``critical`` are marked."""
    lanes = lanes_of(run)
    clock = Clock(prediction.origin if prediction else run.created_at, run.pauses)
    outlines = (
        {s.step.id: Span(s.start_s, s.end_s, s.target, "outline") for s in prediction.schedule.steps}
        if prediction and not clock.cuts
        else {}
    )
    rows: list[SpanRow] = []
    for lane in lanes:
        spans = [_span(stretch, clock) for stretch in lane.stretches]
        step_id = lane.step.step.id if lane.step else ""
        if outline := outlines.get(step_id):
            spans.append(outline)
        rows.append(SpanRow(_label(lane), tuple(spans), step_id in critical))
    return gantt_chart("What ran when", rows)


def _label(lane: Lane) -> str:
    if lane.step is not None:
        return f"{lane.step.step.id}: {lane.step.step.task[:22]}"
    if lane.kind == "answer":
        return "put together"
    return f"plan {lane.number}" if lane.number > 1 else "plan"


def _span(stretch: Stretch, clock: Clock) -> Span:
    start, end = clock.seconds(stretch.start), clock.seconds(stretch.end)
    if stretch.kind == "decode":
        return Span(start, end, stretch.target, "solid", f"{stretch.answered_by}, {stretch.tokens} tokens")
    return Span(start, end, stretch.target, "pale", stretch.error or _NOTES[stretch.kind])
