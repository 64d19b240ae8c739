"""Series in tables: numeric columns by their labels, added up by time and by category where there are many rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from multi_llm_comparator.applications.insight.figures import Finding, Series
from multi_llm_comparator.applications.insight.labels import are_times, is_rate, split_unit
from multi_llm_comparator.applications.reading.pieces import Place
from multi_llm_comparator.applications.reading.sheets import Sheet

# Tables with more rows are added up by time and by category.
MAX_PLAIN_ROWS = 400
MAX_COLUMNS = 40
MAX_CATEGORIES = 50
MIN_SHARE = 0.8
_ID = re.compile(r"(?i)^(?:id|no\.?|index|编号|序号|.*[_ ]id|.*编号)$")
_CLEAN = r"[$€£¥￥,，\s]"
# What dates are added up by: the finest of these that gives no more points than a chart shows.
_PERIODS = (("D", "%Y-%m-%d"), ("M", "%Y-%m"), ("Q", None), ("Y", "%Y"))
MAX_POINTS = 400


def series_of(sheet: Sheet) -> tuple[list[Series], list[Finding], int]:
    """A table's series, the summary of each numeric column over all of its rows, and how many numbers it has."""
    frame = sheet.frame.dropna(axis="index", how="all").dropna(axis="columns", how="all")
    if frame.empty:
        return [], [], 0
    numeric, units = _numeric(frame)
    points = int(sum(column.notna().sum() for column in numeric.values()))
    values = {name: column for name, column in numeric.items() if not _is_id(name, column, len(frame))}
    values = dict(list(values.items())[:MAX_COLUMNS])
    others = [name for name in frame.columns if name not in numeric]
    # Years alone are numbers, and labels all the same.
    years = next((name for name in values if _are_years(values[name])), None)
    if years is not None and not any(_dates(frame[name]) is not None for name in others):
        del values[years]
        others.insert(0, years)
    summaries = [_summary(sheet, name, column, units[name]) for name, column in values.items()]
    found = list(_series(sheet, frame, values, units, others))
    return found, summaries, points


def _numeric(frame: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Columns whose cells are numbers, also written with a currency, commas or a percent sign; and their units."""
    import pandas as pd

    found: dict[str, Any] = {}
    units: dict[str, str] = {}
    for name in frame.columns:
        column = frame[name]
        unit = split_unit(str(name))[1]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
            continue
        if not pd.api.types.is_numeric_dtype(column):
            texts = column.dropna().astype(str)
            sample = texts.head(1000)
            if pd.to_numeric(_cleaned(sample), errors="coerce").notna().mean() < MIN_SHARE:
                continue
            unit = unit or ("%" if sample.str.contains("%").mean() > 0.5 else "")
            column = pd.to_numeric(_cleaned(column.astype("string")), errors="coerce")
        column = column.astype("float64")
        found[name] = column.where(column.abs() != float("inf"))
        units[name] = unit
    return found, units


def _cleaned(texts: Any) -> Any:
    cleaned = texts.astype("string").str.replace(_CLEAN, "", regex=True).str.rstrip("%％")
    # Accountants write what is lost in brackets.
    return cleaned.str.replace(r"^\((.*)\)$", r"-\1", regex=True)


def _is_id(name: str, column: Any, rows: int) -> bool:
    whole = column.dropna()
    steps = whole.diff().dropna()
    counts_rows = rows > 10 and len(steps) > 0 and bool((steps == 1).all())
    return bool(_ID.match(str(name).strip())) or (counts_rows and not _are_years(column))


def _are_years(column: Any) -> bool:
    whole = column.dropna()
    return bool(len(whole) > 1 and ((whole % 1 == 0) & whole.between(1900, 2100)).all())


def _dates(column: Any) -> Any:
    """A column as dates; None where it has none."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    texts = column.dropna().astype(str)
    sample = texts.head(200)
    if sample.empty or not sample.str.match(r"\s*(?:19|20)\d{2}\s*[-/.年]\s*\d{1,2}").mean() > MIN_SHARE:
        return None
    plain = column.astype("string").str.replace(r"\s*[年月]\s*", "-", regex=True).str.replace(r"日\s*", "", regex=True)
    dates = pd.to_datetime(plain.str.rstrip("-"), errors="coerce", format="mixed")
    return dates if dates.notna().mean() > MIN_SHARE else None


def _series(
    sheet: Sheet, frame: Any, values: dict[str, Any], units: dict[str, str], others: list[str]
) -> Iterator[Series]:
    times = [name for name in values if are_times([str(name), str(name)])]
    if len(times) > 2 and len(times) >= len(values) - 1 and len(frame) <= MAX_PLAIN_ROWS:
        yield from _wide(sheet, frame, {name: values[name] for name in times}, units, others)
        return
    dates = {name: found for name in others if (found := _dates(frame[name])) is not None}
    label = next(iter(dates), others[0] if others else None)
    is_plain = len(frame) <= MAX_PLAIN_ROWS and (label is None or frame[label].is_unique)
    if is_plain:
        yield from _plain(sheet, frame, values, units, label, dates.get(label) if label else None)
        return
    for name, column in values.items():
        for when in list(dates.values())[:1]:
            yield from _by_time(sheet, name, column, units[name], when)
        for category in others:
            if category not in dates and 1 < frame[category].nunique() <= MAX_CATEGORIES:
                yield _grouped(sheet, name, units[name], column, frame[category].astype(str), category)


def _plain(
    sheet: Sheet, frame: Any, values: dict[str, Any], units: dict[str, str], label: str | None, dates: Any
) -> Iterator[Series]:
    """Each numeric column as it stands."""
    order = dates.sort_values().index if dates is not None else frame.index
    labels = [str(at + 1) for at in range(len(frame))] if label is None else [_label(frame[label][at]) for at in order]
    for name, column in values.items():
        kept = [(text, value) for text, value in zip(labels, column[order], strict=True) if value == value]
        if kept:
            yield _made(sheet, name, units[name], kept, is_ordered=dates is not None or are_times([t for t, _ in kept]))


def _label(cell: object) -> str:
    text = str(cell)
    # Whole numbers that pandas keeps as floats, and midnights.
    return text.removesuffix(".0").removesuffix(" 00:00:00")[:80]


def _wide(
    sheet: Sheet, frame: Any, times: dict[str, Any], units: dict[str, str], others: list[str]
) -> Iterator[Series]:
    """Rows that are series, with a column for each time."""
    for at in range(len(frame)):
        title = " ".join(str(frame[name].iloc[at]) for name in others[:2]) or f"{sheet.name} {at + 1}".strip()
        kept = [
            (str(name), float(column.iloc[at])) for name, column in times.items() if column.iloc[at] == column.iloc[at]
        ]
        if kept:
            name, unit = split_unit(title)
            yield _made(sheet, name, unit or units[next(iter(times))], kept, is_ordered=True, row=sheet.first_row + at)


def _by_time(sheet: Sheet, name: str, column: Any, unit: str, when: Any) -> Iterator[Series]:
    for period, _ in _PERIODS:
        labels = when.dt.to_period(period)
        if 1 < labels.nunique() <= MAX_POINTS:
            yield _grouped(sheet, name, unit, column, labels.astype(str).where(when.notna()), "", is_ordered=True)
            return


def _grouped(
    sheet: Sheet, name: str, unit: str, column: Any, keys: Any, by: str, *, is_ordered: bool = False
) -> Series:
    how = "mean" if is_rate(str(name), unit) else "sum"
    grouped = column.groupby(keys).agg(how).dropna()
    grouped = grouped.sort_index() if is_ordered else grouped.sort_values(ascending=False)
    kept = [(_label(key), float(value)) for key, value in grouped.items()]
    title = f"{name} / {by}" if by else name
    return _made(sheet, title, unit, kept, is_ordered=is_ordered, how=how, rows=len(column))


def _made(
    sheet: Sheet,
    name: str,
    unit: str,
    pairs: list[tuple[str, float]],
    *,
    is_ordered: bool,
    how: str = "",
    rows: int = 0,
    row: int | None = None,
) -> Series:
    plain, own_unit = split_unit(str(name))
    return Series(
        name=plain,
        unit=unit or own_unit,
        labels=tuple(label for label, _ in pairs),
        values=tuple(value for _, value in pairs),
        is_ordered=is_ordered,
        how=how,  # type: ignore[arg-type]
        rows=rows,
        place=Place(sheet=sheet.name, row=row),
    )


def _summary(sheet: Sheet, name: str, column: Any, unit: str) -> Finding:
    """A column's figures over all of its rows."""
    figures = {
        "rows": float(column.notna().sum()),
        "missing": float(column.isna().sum()),
        "mean": float(column.mean()),
        "median": float(column.median()),
        "low": float(column.min()),
        "high": float(column.max()),
        "spread": float(column.std()) if column.notna().sum() > 1 else 0.0,
        "total": float(column.sum()),
    }
    return Finding(
        code="column",
        about=("trends", "anomalies", "comparison"),
        series=split_unit(str(name))[0],
        unit=unit,
        figures=figures,
    )
