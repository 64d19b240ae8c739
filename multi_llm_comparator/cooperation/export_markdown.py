"""A cooperation as Markdown: every text of others in a fence that it cannot leave, or where it is no markup."""

from __future__ import annotations

from collections.abc import Iterator

from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.tables import figure_table, ranking_table, vote_table
from multi_llm_comparator.cooperation.words import outcome_texts, part_text, words_of
from multi_llm_comparator.core.markdown_text import fenced, one_line, table
from multi_llm_comparator.core.readable import NOTHING, Language, iso_time, seconds


def to_markdown(run: CooperationSnapshot, language: Language) -> str:
    """The whole run: question, answer, how it was made, votes, figures, and each call."""
    return "\n".join(_lines(run, language)) + "\n"


def _lines(run: CooperationSnapshot, language: Language) -> Iterator[str]:
    say, spec, outcome = words_of(language), run.spec, run.outcome
    yield from (f"# {one_line(run.title)}", "")
    yield f"- {say('mode')}: {say(f'mode_{spec.mode}')} · {say(f'state_{run.stage}')}"
    yield f"- {say('members')}: {one_line(', '.join(member.target for member in spec.members))}"
    yield f"- {say('created')}: {iso_time(run.created_at)} · {say('wall')}: {seconds(run.wall_s, language)}"
    yield f"- ID: {one_line(run.id)}"
    yield from ("", f"## {say('question')}", "", *fenced(spec.question), "", f"## {say('answer')}", "")
    yield from fenced(run.answer if run.answer is not None else run.error or NOTHING)
    if outcome is not None:
        made, *remarks = outcome_texts(outcome, language)
        yield from ("", one_line(made), "", *(f"- {one_line(remark)}" for remark in remarks))
    for count in run.counts:
        yield from ("", f"## {say('votes')}: {say('round', n=count.round)}", "")
        yield from table(*vote_table(run, count, language))
    if outcome is not None and outcome.ranking:
        yield from ("", f"## {say('ranking')}", "", *table(*ranking_table(run, language)))
    yield from ("", f"## {say('figures')}", "", *table(*figure_table(run, language)))
    yield from ("", f"## {say('calls_title')}")
    for call in run.calls.values():
        part = part_text(call.purpose, call.role, language)
        yield from ("", f"### {one_line(call.target)}: {one_line(part)}", "")
        yield from fenced(call.text or call.progress.error or NOTHING)
