"""A cooperation as lanes: a row for each call, from the question on."""

from __future__ import annotations

from multi_llm_comparator.charts.lanes import MAX_ROWS, Lanes, Row, Sign, Span
from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.core.timings import AnswerProgress

# As rows of plans have them, so that the same chart draws them.
QUEUE, LOAD, READ, WRITE = "model", "load", "prefill", "decode"


def cooperation_lanes(run: CooperationSnapshot, at: float | None = None) -> Lanes:
    """The lanes.

    Args:
        run: finished or at work.
        at: now, in seconds since the epoch, for what goes on; None where nothing does.
    """
    calls = list(run.calls.values())
    begun = min((call.progress.requested_at for call in calls), default=run.created_at)
    rows = tuple(_row(call, begun, at) for call in calls[:MAX_ROWS])
    return Lanes(rows, max((row.end_s for row in rows), default=0.0), max(0, len(calls) - MAX_ROWS))


def _row(call: Call, begun: float, at: float | None) -> Row:
    known = call.progress
    spans = tuple(
        Span(start - begun, end - begun, kind, call.target, known.answered_by or call.target, tokens, known.error)
        for kind, start, end, tokens in _stretches(known, at)
        if end > start
    )
    sign: Sign | None = "failed" if known.state == "failed" else "stopped" if known.state == "stopped" else None
    ends = [span.end_s for span in spans]
    is_final = call.purpose == "integrate"
    return Row(call.key, call.target, spans, is_marked=is_final, sign=sign, end_s=max(ends, default=0.0))


def _stretches(known: AnswerProgress, at: float | None) -> list[tuple[str, float, float, int]]:
    """Queue, loading, reading and writing, as far as they came."""
    end = known.ended_at or (at if not known.is_over else None) or known.last_token_at or known.requested_at
    started, first = known.started_at or end, known.first_token_at or end
    loaded_from = known.loading_at if known.loading_at is not None else started
    loaded_to = min(started, loaded_from + known.load_s) if known.load_s is not None else started
    return [
        (QUEUE, known.requested_at, loaded_from, 0),
        (LOAD, loaded_from, loaded_to, 0),
        (QUEUE, loaded_to, started, 0),
        (READ, started, first, 0),
        (WRITE, first, end, known.tokens),
    ]
