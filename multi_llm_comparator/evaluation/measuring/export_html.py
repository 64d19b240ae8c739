"""The report as one HTML page that loads nothing and runs nothing; whatever people and models wrote is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from multi_llm_comparator.core.readable import NOTHING, Language, cut
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.report import remark_lines, result_table, tag_table, verdict_lines
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.tradeoff import tradeoff_picture
from multi_llm_comparator.evaluation.measuring.words import words_of
from multi_llm_comparator.runs.exporting import html_page, utc_time

MAX_ROWS = 1000
MAX_SHOWN_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Bar:
    """A subject's mean and interval in one source, in per cent."""

    name: str
    mean: float
    low: float
    high: float
    is_best: bool


def to_html(snapshot: EvaluationSnapshot, language: Language) -> str:
    """The whole evaluation as a page: verdicts, intervals, the table, and the answers, folded."""
    say, results = words_of(language), results_of(snapshot)
    heading, rows = result_table(snapshot, results, language)
    shown = list(enumerate(snapshot.items[:MAX_ROWS]))
    bars = [
        Bar(
            snapshot.spec.subject(found.subject).name,
            100 * found.interval.mean,
            100 * found.interval.low,
            100 * found.interval.high,
            found.subject in results.front,
        )
        for found in results.subjects
        if found.interval is not None and found.source == snapshot.sources[0]
    ]
    return html_page(
        __file__,
        language,
        run=snapshot,
        t=say,
        created=utc_time(snapshot.created_at),
        state=say(f"state_{snapshot.phase or snapshot.state}"),
        verdicts=verdict_lines(snapshot, results, language),
        remarks=remark_lines(snapshot, language),
        tradeoff=tradeoff_picture(snapshot, results),
        by_tag=tag_table(snapshot, language),
        heading=heading,
        rows=rows,
        bars=bars,
        items=[(item, _answers(snapshot, number)) for number, item in shown],
        left_out=len(snapshot.items) - len(shown),
        marks=_marks,
        cut=partial(cut, most=MAX_SHOWN_CHARS),
    )


def _answers(snapshot: EvaluationSnapshot, number: int) -> list[tuple[str, Cell]]:
    return [
        (subject.name, cell)
        for subject in snapshot.spec.subjects
        for repeat in range(snapshot.spec.repeats)
        if (cell := snapshot.cells.get(CellKey(number, subject.id, repeat))) is not None
    ]


def _marks(answers: list[tuple[str, Cell]]) -> str:
    """Right, wrong, in between, failed, in the order of the columns."""
    return " ".join(_mark(cell) for _, cell in answers)


def _mark(cell: Cell) -> str:
    if cell.state == "failed":
        return "!"
    if cell.value is None:
        return NOTHING
    return "✓" if cell.value == 1 else "✗" if cell.value == 0 else f"{cell.value:.2g}"
