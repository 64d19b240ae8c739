"""A plan run as a file: a page to read anywhere, a picture, the plan, tables, or everything."""

from __future__ import annotations

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.plans.export_csv import export_csv
from multi_llm_comparator.plans.export_html import to_html, to_svg
from multi_llm_comparator.plans.export_json import run_data
from multi_llm_comparator.plans.export_markdown import export_markdown
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.runs.exporting import Exports

NOTHING_PREDICTED = Outlook(None, None)
# A run, and what was predicted of it; None if nothing was.
Predicted = tuple[PlanRun, Outlook | None]


def _plan_xml(run: PlanRun) -> str:
    if run.plan is None:
        raise ConfigurationError(f"run {run.id!r} has no plan yet: export it as json, or wait for its plan")
    return run.plan.to_xml() + "\n"


export_plan_run = Exports[Predicted](
    "a plan run",
    html=lambda known, language: to_html(known[0], known[1] or NOTHING_PREDICTED, language),
    json=lambda known, _: json_text(run_data(*known)),
    csv=lambda known, _: export_csv(known[0]),
    markdown=lambda known, language: export_markdown(known[0], known[1] or NOTHING_PREDICTED, language),
    svg=lambda known, language: to_svg(known[0], known[1] or NOTHING_PREDICTED, language),
    xml=lambda known, _: _plan_xml(known[0]),
)
