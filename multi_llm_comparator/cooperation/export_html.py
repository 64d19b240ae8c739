"""A cooperation as one HTML page that loads nothing and runs nothing; whatever people and models wrote is escaped."""

from __future__ import annotations

from functools import partial

from markupsafe import Markup

from multi_llm_comparator.charts.svg import lane_chart
from multi_llm_comparator.cooperation.lanes import cooperation_lanes
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.tables import figure_table, ranking_table, vote_table
from multi_llm_comparator.cooperation.words import outcome_texts, part_text, words_of
from multi_llm_comparator.core.readable import Language, cut, seconds
from multi_llm_comparator.runs.exporting import html_page, utc_time

MAX_SHOWN_CHARS = 20_000


def to_html(run: CooperationSnapshot, language: Language) -> str:
    """The whole run as a page."""
    say = words_of(language)
    return html_page(
        __file__,
        language,
        run=run,
        t=say,
        created=utc_time(run.created_at),
        wall=seconds(run.wall_s, language),
        remarks=[] if run.outcome is None else outcome_texts(run.outcome, language),
        votes=[(count.round, *vote_table(run, count, language)) for count in run.counts],
        ranking=ranking_table(run, language),
        figures=figure_table(run, language),
        chart=Markup(_chart(run, language)),
        parts={key: part_text(call.purpose, call.role, language) for key, call in run.calls.items()},
        cut=partial(cut, most=MAX_SHOWN_CHARS),
    )


def _chart(run: CooperationSnapshot, language: Language) -> str:
    say = words_of(language)
    waiting = {kind: say(f"stretch_{kind}") for kind in ("model", "load", "prefill")}
    lanes = cooperation_lanes(run)
    return lane_chart(
        say("timeline"), lanes, waiting=waiting, tokens=say("hover_tokens"), left_out=say("left_out_rows")
    )
