"""A cooperation as one HTML page that loads nothing and runs nothing; whatever people and models wrote is escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, Template
from markupsafe import Markup

from multi_llm_comparator.charts.svg import lane_chart
from multi_llm_comparator.cooperation.lanes import cooperation_lanes
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.tables import figure_table, ranking_table, vote_table
from multi_llm_comparator.cooperation.words import left_out_text, made_text, note_text, part_text, words_of
from multi_llm_comparator.core.readable import Language, seconds

MAX_SHOWN_CHARS = 20_000


def to_html(run: CooperationSnapshot, language: Language) -> str:
    """The whole run as a page."""
    say, outcome = words_of(language), run.outcome
    remarks = []
    if outcome is not None:
        remarks = [made_text(outcome.made_by, outcome.of, language)]
        remarks += [note_text(note, language) for note in outcome.notes]
        remarks += [left_out_text(left, language) for left in outcome.left_out]
    return _template().render(
        run=run,
        t=say,
        language="zh-CN" if language == "zh" else "en",
        created=datetime.fromtimestamp(run.created_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        wall=seconds(run.wall_s, language),
        remarks=remarks,
        votes=[(count.round, *vote_table(run, count, language)) for count in run.counts],
        ranking=ranking_table(run, language),
        figures=figure_table(run, language),
        chart=Markup(_chart(run, language)),
        parts={key: part_text(call.purpose, call.role, language) for key, call in run.calls.items()},
        cut=_cut,
    )


def _chart(run: CooperationSnapshot, language: Language) -> str:
    say = words_of(language)
    waiting = {kind: say(f"stretch_{kind}") for kind in ("model", "load", "prefill")}
    lanes = cooperation_lanes(run)
    return lane_chart(
        say("timeline"), lanes, waiting=waiting, tokens=say("hover_tokens"), left_out=say("left_out_rows")
    )


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[:MAX_SHOWN_CHARS]} …"


@cache
def _template() -> Template:
    source = Path(__file__).with_name("export_page.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
