"""A plan run as one HTML page that loads nothing and runs nothing; whatever people and models wrote is escaped."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup

from multi_llm_comparator.core.readable import NOTHING, Language, count, percent, seconds
from multi_llm_comparator.core.words import Say
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics, unanswered
from multi_llm_comparator.plans.outlook import LargeAlone, Outlook, Prediction
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_gantt import GanttWords, gantt_of
from multi_llm_comparator.plans.run_graph import graph_of
from multi_llm_comparator.plans.run_words import beside_alone, cost, path_words, speed_up
from multi_llm_comparator.plans.words import words_of
from multi_llm_comparator.runs.exporting import html_page, utc_time

# What a chart says, and the key of its text.
_GANTT_WORDS = {
    "title": "gantt",
    "left_out": "svg_left_out",
    "plan": "lane_plan",
    "plan_again": "lane_plan_again",
    "answer": "lane_answer",
    "tokens": "hover_tokens",
    "worker": "stretch_worker",
    "model": "stretch_model",
    "load": "stretch_load",
    "prefill": "stretch_prefill",
}


def to_html(run: PlanRun, outlook: Outlook, language: Language) -> str:
    """The whole run as a page."""
    say, metrics = words_of(language), run_metrics(run)
    return html_page(
        __file__,
        language,
        run=run,
        t=say,
        seconds=partial(seconds, language=language),
        state=say(f"state_{run.stage}"),
        created=utc_time(run.created_at),
        gantt=Markup(to_svg(run, outlook, language)),
        graph=Markup(graph_of(run, metrics.critical_path, title=say("graph"), left_out=say("svg_left_out"))),
        missing=unanswered(run),
        figures=figure_rows(metrics, outlook, language),
        plan=run.plan.to_xml() if run.plan else "",
    )


def to_svg(run: PlanRun, outlook: Outlook, language: Language) -> str:
    """The Gantt chart."""
    say = words_of(language)
    words = GanttWords(**{name: say(key) for name, key in _GANTT_WORDS.items()})
    outlines = outlook.prediction.outlines if outlook.prediction else None
    return gantt_of(run, run_metrics(run).critical_path, outlines, words)


def figure_rows(known: RunMetrics, outlook: Outlook, language: Language) -> list[tuple[str, str]]:
    """The figures of a run, each behind its name."""
    say = words_of(language)
    shares = f"{percent(known.share_small)} / {percent(known.share_large)}"
    values = {
        "wall": seconds(known.wall_s, language),
        "loading": seconds(known.loading_s or None, language),
        "predicted": _predicted(outlook.prediction, language),
        "alone": _alone(known, outlook.alone, language, say),
        "work": seconds(known.work_s or None, language),
        "speed_up": speed_up(known),
        "critical": f"{seconds(known.critical_path_s, language)} ({path_words(known, say)})",
        "compression": f"{known.compression_ratio:.2f} ({known.depth} / {known.steps})",
        "tokens": f"{count(known.tokens)} ({shares})",
        "cost": cost(known.cost_usd),
    }
    return [(say(f"figure_{name}"), value) for name, value in values.items()]


def _predicted(prediction: Prediction | None, language: Language) -> str:
    if prediction is None:
        return NOTHING
    took = seconds(prediction.actual_s, language)
    return seconds(prediction.total_s, language) + (
        "" if prediction.error is None else f" ({took}, {prediction.error:+.0%})"
    )


def _alone(known: RunMetrics, alone: LargeAlone | None, language: Language, say: Say) -> str:
    if alone is None:
        return NOTHING
    return f"{seconds(alone.seconds, language)} ({beside_alone(known, alone, say)})"
