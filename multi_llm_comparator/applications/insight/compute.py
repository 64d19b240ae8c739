"""What series tell: trends, values out of line, comparisons. Everything is computed; no model is asked.

Outliers are told by the modified z-score of the distances from a straight line (values in time) or from the median
(categories): 0.6745 (x - median) / MAD, beyond 3.5 (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations

from multi_llm_comparator.applications.insight.figures import Finding, Series
from multi_llm_comparator.applications.insight.labels import is_rate

Z_LIMIT = 3.5
MIN_FOR_OUTLIERS = 5
MIN_FOR_TREND = 3
MIN_FOR_CORRELATION = 4
# A line that explains less of the spread than this is called no trend.
MIN_R2 = 0.3
# A change over all of less than this share of the mean is called steady.
STEADY = 0.02
MAX_COMPARED = 8
# All pairs of more points take too long; their line is fitted by least squares.
MAX_PAIRED = 800


def findings_of(series: Sequence[Series]) -> list[Finding]:
    """All findings, series by series, then those between series."""
    found: list[Finding] = []
    for one in series:
        if one.is_ordered:
            found += _course(one)
        elif len(one.values) > 1:
            found += _shares(one)
        found += _outliers(one)
    return [*found, *_between([one for one in series if one.is_ordered][:MAX_COMPARED])]


def fitted_line(values: Sequence[float]) -> tuple[float, float, float]:
    """Slope per step, intercept and R² of the least-squares line."""
    line = statistics.linear_regression(range(len(values)), values)
    r = _correlation([float(x) for x in range(len(values))], values)
    return line.slope, line.intercept, 0.0 if r is None else r * r


def _course(one: Series) -> Iterator[Finding]:
    """How values in time went: from where to where, highest and lowest, the largest steps, and the trend."""
    values, labels = one.values, one.labels
    high, low = max(range(len(values)), key=values.__getitem__), min(range(len(values)), key=values.__getitem__)
    change = values[-1] - values[0]
    figures = {
        "first": values[0],
        "last": values[-1],
        "change": change,
        "high": values[high],
        "low": values[low],
        "mean": math.fsum(values) / len(values),
        "points": float(len(values)),
    }
    percents = {"change_percent": 100 * change / abs(values[0])} if values[0] and not one.is_percent else {}
    if not is_rate(one.name, one.unit):
        figures["total"] = math.fsum(values)
    names = {"first": labels[0], "last": labels[-1], "high": labels[high], "low": labels[low]}
    yield Finding(
        code="course",
        about=("trends", "comparison"),
        series=one.name,
        unit=one.unit,
        figures=figures,
        percents=percents,
        labels=names,
    )
    if len(values) >= MIN_FOR_TREND:
        yield _trend(one)
        yield from _steps(one)


def _trend(one: Series) -> Finding:
    slope, _, r2 = fitted_line(one.values)
    mean = abs(math.fsum(one.values) / len(one.values))
    fitted_change = slope * (len(one.values) - 1)
    code = "trend_none"
    if mean and abs(fitted_change) < STEADY * mean:
        code = "trend_steady"
    elif r2 >= MIN_R2:
        code = "trend_up" if slope > 0 else "trend_down"
    steps = [b - a for a, b in zip(one.values, one.values[1:], strict=False)]
    counts = {"rises": float(sum(s > 0 for s in steps)), "falls": float(sum(s < 0 for s in steps))}
    percents = {"r2": 100 * r2}
    if one.values[0] > 0 and one.values[-1] > 0 and not one.is_percent:
        percents["growth"] = 100 * ((one.values[-1] / one.values[0]) ** (1 / len(steps)) - 1)
    return Finding(
        code=code,
        about=("trends",),
        series=one.name,
        unit=one.unit,
        figures={"slope": slope, "steps": float(len(steps)), **counts},
        percents=percents,
    )


def _steps(one: Series) -> Iterator[Finding]:
    """The largest rise and the largest fall between neighbours."""
    steps = [(b - a, at) for at, (a, b) in enumerate(zip(one.values, one.values[1:], strict=False))]
    for code, (step, at) in (("rise", max(steps)), ("fall", min(steps))):
        if (step > 0) != (code == "rise") or step == 0:
            continue
        before = one.values[at]
        yield Finding(
            code=code,
            about=("trends", "anomalies"),
            series=one.name,
            unit=one.unit,
            figures={"step": step, "before": before, "after": one.values[at + 1]},
            percents={"step_percent": 100 * step / abs(before)} if before and not one.is_percent else {},
            labels={"before": one.labels[at], "after": one.labels[at + 1]},
        )


def _shares(one: Series) -> Iterator[Finding]:
    """Categories by size, and the part that each has of the whole where they can be added."""
    order = sorted(range(len(one.values)), key=one.values.__getitem__, reverse=True)
    high, low = order[0], order[-1]
    total = math.fsum(one.values)
    figures = {
        "high": one.values[high],
        "low": one.values[low],
        "gap": one.values[high] - one.values[low],
        "mean": total / len(one.values),
        "points": float(len(one.values)),
    }
    can_add = (one.is_percent and abs(total - 100) < 1.5) or not is_rate(one.name, one.unit)
    percents = {}
    if can_add and total > 0 and min(one.values) >= 0:
        figures["total"] = total
        percents = {
            "high_share": 100 * one.values[high] / total,
            "top_three": 100 * math.fsum(one.values[at] for at in order[:3]) / total,
        }
    yield Finding(
        code=("shares_percent" if one.is_percent else "shares") if percents else "ranks",
        about=("trends", "comparison"),
        series=one.name,
        unit=one.unit,
        figures=figures,
        percents=percents,
        labels={
            "high": one.labels[high],
            "low": one.labels[low],
            "order": " > ".join(one.labels[at] for at in order[:10]),
        },
    )


def _outliers(one: Series) -> Iterator[Finding]:
    """Values out of line; where there are none, the one that is farthest out, so that the reader sees how far."""
    if len(one.values) < MIN_FOR_OUTLIERS:
        yield Finding(
            code="too_few",
            about=("anomalies",),
            series=one.name,
            figures={"points": float(len(one.values)), "needed": float(MIN_FOR_OUTLIERS)},
        )
        return
    centre = _expected(one)
    scores = modified_z([value - at for value, at in zip(one.values, centre, strict=True)])
    worst = sorted(range(len(scores)), key=lambda at: -abs(scores[at]))
    beyond = [at for at in worst if abs(scores[at]) > Z_LIMIT]
    for at in (beyond or worst[:1])[:20]:
        yield Finding(
            code="outlier" if beyond else "no_outlier",
            about=("anomalies",),
            series=one.name,
            unit=one.unit,
            figures={"value": one.values[at], "expected": centre[at], "score": scores[at], "limit": Z_LIMIT},
            labels={"at": one.labels[at]},
        )


def _expected(one: Series) -> list[float]:
    """The Theil-Sen line through values in time, which one wild value does not bend; else their median."""
    values = one.values
    if not one.is_ordered:
        return [statistics.median(values)] * len(values)
    if len(values) > MAX_PAIRED:
        slope, start, _ = fitted_line(values)
    else:
        slope = statistics.median((values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2))
        start = statistics.median(value - slope * at for at, value in enumerate(values))
    return [start + slope * at for at in range(len(values))]


def modified_z(distances: Sequence[float]) -> list[float]:
    """The modified z-scores; by the mean distance where more than half of the values are the same."""
    middle = statistics.median(distances)
    away = [abs(one - middle) for one in distances]
    spread = statistics.median(away) / 0.6745
    if spread <= 1e-12 * max(1.0, *map(abs, distances)):
        spread = 1.253314 * math.fsum(away) / len(away)
    if spread <= 1e-12 * max(1.0, *map(abs, distances)):
        return [0.0] * len(distances)
    return [(one - middle) / spread for one in distances]


def _between(series: Sequence[Series]) -> Iterator[Finding]:
    """Series over the same times: which grew faster, and whether they move together."""
    for one, other in combinations(series, 2):
        if one.labels != other.labels or len(one.values) < MIN_FOR_TREND:
            continue
        if one.values[0] > 0 and other.values[0] > 0 and not (one.is_percent or other.is_percent):
            yield Finding(
                code="growth_against",
                about=("comparison",),
                series=one.name,
                other=other.name,
                percents={
                    "one": 100 * (one.values[-1] / one.values[0] - 1),
                    "other": 100 * (other.values[-1] / other.values[0] - 1),
                },
                labels={"first": one.labels[0], "last": one.labels[-1]},
            )
        correlation = _correlation(one.values, other.values)
        if correlation is not None and len(one.values) >= MIN_FOR_CORRELATION:
            yield Finding(
                code="together" if abs(correlation) >= 0.7 else "apart",
                about=("comparison",),
                series=one.name,
                other=other.name,
                figures={"r": correlation, "points": float(len(one.values))},
            )


def _correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's; None where one of them does not change."""
    try:
        return statistics.correlation(one, other)
    except statistics.StatisticsError:
        return None
