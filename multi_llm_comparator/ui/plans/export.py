"""A plan run as a file: a page to read anywhere, a picture, the plan, or everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import streamlit as st
from jinja2 import Environment, Template
from markupsafe import Markup

from multi_llm_comparator.evaluation.outcomes import unanswered
from multi_llm_comparator.evaluation.report_single import run_data
from multi_llm_comparator.evaluation.reports import json_text
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics
from multi_llm_comparator.plans.outlook import LargeAlone, Outlook, Prediction
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_gantt import GanttWords, Outlines, gantt_of
from multi_llm_comparator.plans.run_graph import graph_of
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.file_names import file_stem
from multi_llm_comparator.ui.kit.i18n import Language, current_language, t, translate
from multi_llm_comparator.ui.plans.figures import Say, beside_alone, chain_words, cost, percent, speed_up
from multi_llm_comparator.ui.plans.state import taken
from multi_llm_comparator.ui.workbench import get_workbench

# What a chart says, and where its text stands among those of the plans' page.
GANTT_TEXTS = {
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
Export = Callable[[PlanRun, Outlook, Language], str]


def draw_exports(run: PlanRun) -> None:
    """One button for each format; the file is made when it is asked for, from the run as it is then."""
    stem = file_stem("plan", run.created_at, run.question, run.id)
    for name, (export, media_type) in FORMATS.items():
        st.download_button(
            t(f"plan.export_{name}"),
            data=partial(_file, run, export, current_language()),
            file_name=f"{stem}.{name}",
            mime=media_type,
            key=f"plans_export_{name}_{run.id}",
            help=t(f"plan.export_{name}_why"),
            on_click="ignore",
            width="stretch",
            disabled=name == "xml" and run.plan is None,
        )


def _file(run: PlanRun, export: Export, language: Language) -> bytes:
    # No session here: the file is made when the browser fetches it.
    latest = taken(run)
    workbench = get_workbench()
    outlook = workbench.bridge.run(workbench.calibration.outlook(latest), timeout_s=30)
    return export(latest, outlook, language).encode()


def to_svg(run: PlanRun, outlook: Outlook, language: Language) -> str:
    texts = {name: translate(language, f"plan.{key}") for name, key in GANTT_TEXTS.items()}
    return gantt_of(run, run_metrics(run).critical_path, _outlines(outlook), GanttWords(**texts))


def _outlines(outlook: Outlook) -> Outlines | None:
    return outlook.prediction.outlines if outlook.prediction else None


def _graph(run: PlanRun, language: Language) -> str:
    title, left_out = translate(language, "plan.graph"), translate(language, "plan.svg_left_out")
    return graph_of(run, run_metrics(run).critical_path, title=title, left_out=left_out)


def to_xml(run: PlanRun, _: Outlook, __: Language) -> str:
    return run.plan.to_xml() + "\n" if run.plan else ""


def to_json(run: PlanRun, outlook: Outlook, _: Language) -> str:
    return json_text(run_data(run, outlook))


def to_html(run: PlanRun, outlook: Outlook, language: Language) -> str:
    """One page that loads nothing and runs nothing; whatever people and models wrote is escaped."""
    say_it = partial(translate, language)
    return _template().render(
        run=run,
        language="zh-CN" if language == "zh" else "en",
        t=say_it,
        say=say,
        state=say_it(f"plan.state_{run.state}"),
        created=datetime.fromtimestamp(run.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        gantt=Markup(to_svg(run, outlook, language)),
        graph=Markup(_graph(run, language)),
        missing=unanswered(run),
        figures=_figures(run, outlook, language),
        plan=run.plan.to_xml() if run.plan else "",
    )


def _figures(run: PlanRun, outlook: Outlook, language: Language) -> list[tuple[str, str]]:
    known, say_it = run_metrics(run), partial(translate, language)
    path = chain_words(known.critical_path, bool(known.critical_planning_s), bool(known.answer_s), say_it)
    shares = f"{percent(known.share_small)} / {percent(known.share_large)}"
    values = {
        "wall": say.seconds(known.wall_s),
        "loading": say.seconds(known.loading_s) if known.loading_s else say.NOTHING,
        "predicted": _predicted(outlook.prediction),
        "alone": _alone(known, outlook.alone, say_it),
        "work": say.seconds(known.work_s or None),
        "speed_up": speed_up(known),
        "critical": f"{say.seconds(known.critical_path_s)} ({path})",
        "compression": f"{known.compression_ratio:.2f} ({known.depth} / {known.steps})",
        "tokens": f"{say.count(known.tokens)} ({shares})",
        "cost": cost(known.cost_usd),
    }
    return [(say_it(f"plan.figure_{name}"), value) for name, value in values.items()]


def _predicted(prediction: Prediction | None) -> str:
    if prediction is None:
        return say.NOTHING
    off = f" ({say.seconds(prediction.actual_s)}, {prediction.error:+.0%})" if prediction.error is not None else ""
    return say.seconds(prediction.total_s) + off


def _alone(known: RunMetrics, alone: LargeAlone | None, say_it: Say) -> str:
    return say.NOTHING if alone is None else f"{say.seconds(alone.seconds)} ({beside_alone(known, alone, say_it)})"


@cache
def _template() -> Template:
    source = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


FORMATS: dict[str, tuple[Export, str]] = {
    "html": (to_html, "text/html"),
    "svg": (to_svg, "image/svg+xml"),
    "xml": (to_xml, "application/xml"),
    "json": (to_json, "application/json"),
}
