"""A plan run as a file: a page to read anywhere, a picture, the plan, tables, or everything."""

from __future__ import annotations

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.plans.export_csv import export_csv
from multi_llm_comparator.plans.export_html import to_html, to_svg
from multi_llm_comparator.plans.export_json import run_data
from multi_llm_comparator.plans.export_markdown import export_markdown
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.runs.exporting import in_format

FORMATS = ("html", "json", "csv", "markdown", "svg", "xml")


def export_plan_run(run: PlanRun, format: str, language: Language = "en", outlook: Outlook | None = None) -> bytes:
    """Make the file.

    Args:
        run: also one that is still at work, as it is at this moment.
        format: ``html`` (one page that needs nothing else), ``json`` (complete), ``csv`` (a row for each step),
            ``markdown``, ``svg`` (the Gantt chart) or ``xml`` (the plan alone).
        language: of the words in HTML, Markdown and SVG; names in JSON and CSV are the same everywhere.
        outlook: what was predicted of it; None if nothing was.

    Raises:
        ConfigurationError: another format, or ``xml`` of a run that has no plan yet.
    """
    known = outlook or Outlook(None, None)
    return in_format(
        format,
        "a plan run",
        {
            "html": lambda: to_html(run, known, language),
            "json": lambda: json_text(run_data(run, outlook)),
            "csv": lambda: export_csv(run),
            "markdown": lambda: export_markdown(run, known, language),
            "svg": lambda: to_svg(run, known, language),
            "xml": lambda: _plan_xml(run),
        },
    )


def _plan_xml(run: PlanRun) -> str:
    if run.plan is None:
        raise ConfigurationError(f"run {run.id!r} has no plan yet: export it as json, or wait for its plan")
    return run.plan.to_xml() + "\n"
