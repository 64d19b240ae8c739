"""A plan run as Markdown: every text in a fence that it cannot leave, so that it arrives as it was written."""

from __future__ import annotations

from collections.abc import Iterator

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.markdown_text import fenced, one_line, table
from multi_llm_comparator.core.readable import NOTHING, Language, iso_time, seconds
from multi_llm_comparator.core.words import Say
from multi_llm_comparator.plans.export_html import figure_rows
from multi_llm_comparator.plans.metrics import run_metrics, step_metrics, unanswered
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.words import words_of

_COLUMNS = ("task", "needs", "difficulty", "model", "state", "time", "tokens")


def export_markdown(run: PlanRun, outlook: Outlook, language: Language) -> str:
    """The whole run: question, answer, figures, steps with their answers, plan."""
    return "\n".join(_lines(run, outlook, language)) + "\n"


def _lines(run: PlanRun, outlook: Outlook, language: Language) -> Iterator[str]:
    say, executor = words_of(language), run.options.executor
    threshold = say("threshold_n", n=executor.threshold) if executor.enable_threshold else say("all_large")
    yield from (f"# {one_line(run.question)}", "", f"- {say('column_state')}: {say(f'state_{run.stage}')}")
    yield from (f"- {say('created')}: {iso_time(run.created_at)}", f"- {say('exported')}: {iso_time(now())}")
    yield f"- ID: {one_line(run.id)}"
    yield f"- {one_line(run.options.router_model or say('by_hand'))} · {one_line(executor.small_model)} / " + (
        f"{one_line(executor.large_model)} · {threshold} · {say('workers_n', n=executor.workers)}"
    )
    yield from ("", f"## {say('question')}", "", *fenced(run.question), "", f"## {say('column_answer')}", "")
    yield from fenced(run.answer if run.answer is not None else run.error or NOTHING)
    if missing := unanswered(run):
        yield from ("", say("missing", steps=one_line(", ".join(missing))))
    yield from ("", f"## {say('figures')}", "", *table(("", ""), figure_rows(run_metrics(run), outlook, language)))
    yield from _steps(run, say, language)
    if run.plan:
        yield from ("", f"## {say('tab_plan')}", "", *fenced(run.plan.to_xml(), "xml"))


def _steps(run: PlanRun, say: Say, language: Language) -> Iterator[str]:
    rows = []
    for step in run.steps.values():
        known = step_metrics(step)
        rows.append(
            (
                f"{known.id}: {step.step.task}",
                ", ".join(step.step.rely) or NOTHING,
                str(known.difficulty),
                known.model or NOTHING,
                say(f"step_{step.state}"),
                seconds(known.duration_s, language),
                f"{known.tokens:,}",
            )
        )
    yield from ("", f"## {say('tab_steps')}", "", *table([say(f"column_{name}") for name in _COLUMNS], rows))
    for step in run.steps.values():
        yield from ("", f"### {one_line(step.step.id)}: {one_line(step.step.task)}", "")
        yield from fenced(step.answer if step.answer is not None else step.error or NOTHING)
