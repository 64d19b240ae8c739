"""From a document to its data: tables where there are some, else the series that its text holds."""

from __future__ import annotations

from multi_llm_comparator.applications.insight.compute import findings_of
from multi_llm_comparator.applications.insight.figures import Data, Finding, Series
from multi_llm_comparator.applications.insight.table_series import series_of
from multi_llm_comparator.applications.insight.text_series import series_in
from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.applications.reading.pieces import Remark
from multi_llm_comparator.applications.reading.read import Read
from multi_llm_comparator.applications.reading.sheets import Sheet, read_csv, sheet_of
from multi_llm_comparator.core.exceptions import DocumentError

MAX_SERIES = 100
MAX_TEXT_CHARS = 8_000
MIN_TABLE_LINES = 3


def data_of(found: Read) -> Data:
    """The series of a document and what they tell.

    Raises:
        DocumentError: it holds no numbers.
    """
    reading = found.reading
    title, in_text = "", list[Series]()
    sheets = found.sheets or _tables_in(reading.text)
    in_tables: list[Series] = []
    columns: list[Finding] = []
    points = 0
    for sheet in sheets:
        some, summaries, count = series_of(sheet)
        in_tables += some
        columns += summaries
        points += count
    if not in_tables and not columns:
        title, in_text = series_in(reading.text)
        points = sum(len(one.values) for one in in_text)
    series = [*in_tables, *in_text]
    if not series and not columns:
        raise DocumentError(
            "no data was found: give lines such as 'Sales: Jan: 890, Feb: 945', a table, CSV or XLSX with numbers"
        )
    remarks = list(reading.remarks)
    if len(series) > MAX_SERIES:
        remarks.append(Remark(code="series_left_out", values={"n": len(series) - MAX_SERIES}))
        series = series[:MAX_SERIES]
    return Data(
        name=reading.name,
        format=reading.format,
        title=title,
        series=tuple(series),
        findings=(*findings_of(series), *columns),
        data_points=points,
        text=reading.text[:MAX_TEXT_CHARS],
        remarks=tuple(remark for remark in remarks if remark.code != "rows_left_out"),
    )


def _tables_in(text: str) -> list[Sheet]:
    """Tables that stand in a text: with bars, or parted by commas or tabs in every line."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    barred = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    barred = [row for row in barred if any(set(cell) - set("-: ") for cell in row)]
    if len(barred) >= MIN_TABLE_LINES:
        return [sheet_of("", [list(row) for row in barred], 1)]
    for sign in ("\t", ",", ";"):
        counts = {line.count(sign) for line in lines}
        if len(lines) >= MIN_TABLE_LINES and len(counts) == 1 and counts.pop() >= 1 and ":" not in lines[0]:
            try:
                return read_csv("\n".join(lines).encode(), Collector("", "csv"))
            except DocumentError:
                return []
    return []
