"""A plan run as a file: a page to read anywhere, a picture, the plan, or everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path

import streamlit as st
from jinja2 import Environment, Template
from markupsafe import Markup

from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.outcomes import unanswered
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.report_single import run_data
from multi_llm_comparator.plans.reports import json_text
from multi_llm_comparator.plans.run_gantt import GanttWords, gantt_of
from multi_llm_comparator.plans.run_graph import graph_of
from multi_llm_comparator.ui import figures as say
from multi_llm_comparator.ui.file_names import file_stem
from multi_llm_comparator.ui.i18n import Language, current_language, t, translate
from multi_llm_comparator.ui.plan_figures import cost, percent
from multi_llm_comparator.ui.plan_state import taken
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
Export = Callable[[PlanRun, Prediction | None, Language], str]


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
    prediction = workbench.bridge.run(workbench.calibration.predicted(latest), timeout_s=30)
    return export(latest, prediction, language).encode()


def to_svg(run: PlanRun, prediction: Prediction | None, language: Language) -> str:
    texts = {name: translate(language, f"plan.{key}") for name, key in GANTT_TEXTS.items()}
    return gantt_of(run, run_metrics(run).critical_path, prediction, GanttWords(**texts))


def _graph(run: PlanRun, language: Language) -> str:
    title, left_out = translate(language, "plan.graph"), translate(language, "plan.svg_left_out")
    return graph_of(run, run_metrics(run).critical_path, title=title, left_out=left_out)


def to_xml(run: PlanRun, _: Prediction | None, __: Language) -> str:
    return run.plan.to_xml() + "\n" if run.plan else ""


def to_json(run: PlanRun, prediction: Prediction | None, _: Language) -> str:
    return json_text(run_data(run, prediction))


def to_html(run: PlanRun, prediction: Prediction | None, language: Language) -> str:
    """One page that loads nothing and runs nothing; whatever people and models wrote is escaped."""
    say_it = partial(translate, language)
    return _template().render(
        run=run,
        language="zh-CN" if language == "zh" else "en",
        t=say_it,
        say=say,
        state=say_it(f"plan.state_{run.state}"),
        created=datetime.fromtimestamp(run.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        gantt=Markup(to_svg(run, prediction, language)),
        graph=Markup(_graph(run, language)),
        missing=unanswered(run),
        figures=_figures(run, prediction, language),
        plan=run.plan.to_xml() if run.plan else "",
    )


def _figures(run: PlanRun, prediction: Prediction | None, language: Language) -> list[tuple[str, str]]:
    known = run_metrics(run)
    predicted = say.seconds(prediction.schedule.makespan_s) if prediction else say.NOTHING
    if prediction and prediction.error is not None:
        predicted += f" ({say.seconds(prediction.actual_s)}, {prediction.error:+.0%})"
    shares = f"{percent(known.share_small)} / {percent(known.share_large)}"
    values = {
        "wall": say.seconds(known.wall_s),
        "predicted": predicted,
        "work": say.seconds(known.work_s),
        "speed_up": f"{known.speed_up:.2f} ×",
        "critical": f"{say.seconds(known.critical_path_s)} ({' → '.join(known.critical_path)})",
        "compression": f"{known.compression_ratio:.2f} ({known.depth} / {known.steps})",
        "tokens": f"{say.count(known.tokens)} ({shares})",
        "cost": cost(known.cost_usd),
    }
    return [(translate(language, f"plan.figure_{name}"), value) for name, value in values.items()]


@cache
def _template() -> Template:
    source = Path(__file__).with_name("plan_page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)


FORMATS: dict[str, tuple[Export, str]] = {
    "html": (to_html, "text/html"),
    "svg": (to_svg, "image/svg+xml"),
    "xml": (to_xml, "application/xml"),
    "json": (to_json, "application/json"),
}
