"""The report as Markdown, with every text of others where it is no markup."""

from __future__ import annotations

from multi_llm_comparator.core.markdown_text import one_line, table
from multi_llm_comparator.core.readable import NOTHING, Language, cut_line, iso_time
from multi_llm_comparator.evaluation.measuring.report import remark_lines, result_table, tag_table, verdict_lines
from multi_llm_comparator.evaluation.measuring.results import item_values, results_of
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import words_of

MAX_ROWS = 1000


def to_markdown(snapshot: EvaluationSnapshot, language: Language) -> str:
    """The whole report; of the prompts, each with its scores."""
    say, results = words_of(language), results_of(snapshot)
    heading, rows = result_table(snapshot, results, language)
    lines = [
        f"# {one_line(snapshot.title) or say('report')}",
        "",
        f"- {say('created')}: {iso_time(snapshot.created_at)}",
        f"- ID: {one_line(snapshot.id)}",
        f"- {say(f'state_{snapshot.phase or snapshot.state}')}",
        "",
        f"## {say('verdict')}",
        "",
        *(f"- {one_line(line)}" for line in verdict_lines(snapshot, results, language)),
        *(f"- {one_line(line)}" for line in remark_lines(snapshot, language)),
        "",
        f"## {say('results')}",
        "",
        *table(heading, rows),
        *_by_tag(snapshot, language),
        "",
        f"## {say('answers')}",
        "",
        *_answers(snapshot, language),
    ]
    return "\n".join(lines) + "\n"


def _by_tag(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    found = tag_table(snapshot, language)
    return [] if found is None else ["", f"## {words_of(language)('by_tag')}", "", *table(*found)]


def _answers(snapshot: EvaluationSnapshot, language: Language) -> list[str]:
    say, values = words_of(language), item_values(snapshot)
    subjects = snapshot.spec.subjects
    rows = [
        [
            item.id,
            item.title,
            item.target,
            *(NOTHING if (v := values.get((subject.id, number))) is None else f"{v:.2g}" for subject in subjects),
        ]
        for number, item in enumerate(snapshot.items[:MAX_ROWS])
    ]
    header = ["ID", say("prompt"), say("expected"), *(cut_line(subject.name, 60) for subject in subjects)]
    left_out = len(snapshot.items) - len(rows)
    return [*table(header, rows), *(["", say("left_out", n=left_out)] if left_out > 0 else [])]
