"""Quality against speed against memory: one point for each subject, and which no other beats in all three."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

from multi_llm_comparator.evaluation.measuring.crossing import headings
from multi_llm_comparator.evaluation.measuring.results import Results
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.words import memory_words
from multi_llm_comparator.evaluation.statistics.intervals import Interval

# Of the picture in reports: its plot's edges, and the largest circle.
LEFT, RIGHT, TOP, BOTTOM, LARGEST_R = 60.0, 760.0, 30.0, 280.0, 16.0
TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeoffPoint:
    """A subject with its score in the first source, its own speed and what it holds in memory."""

    subject: str
    name: str
    target: str
    score: Interval
    tokens_per_s: float
    memory_bytes: int
    is_front: bool


def tradeoff_points(snapshot: EvaluationSnapshot, results: Results) -> tuple[TradeoffPoint, ...]:
    """The subjects whose three figures are known, from the slowest to the fastest.

    A subject that only chose has no speed: it wrote nothing.
    """
    costs, names = {cost.subject: cost for cost in results.costs}, headings(snapshot.spec.subjects)
    found = []
    for result in results.of(results.sources[0]) if results.sources else ():
        cost, subject = costs[result.subject], snapshot.spec.subject(result.subject)
        if result.interval is None or cost.tokens_per_s is None or cost.memory_bytes is None:
            continue
        found.append(
            TradeoffPoint(
                subject=subject.id,
                name=names[subject.id],
                target=subject.target,
                score=result.interval,
                tokens_per_s=cost.tokens_per_s,
                memory_bytes=cost.memory_bytes,
                is_front=subject.id in results.front,
            )
        )
    return tuple(sorted(found, key=lambda point: point.tokens_per_s))


def radii(points: Sequence[TradeoffPoint], largest: float) -> list[float]:
    """Circles whose areas are as the memory."""
    most = max((point.memory_bytes for point in points), default=1)
    return [largest * sqrt(point.memory_bytes / most) for point in points]


# --- as a picture of a report ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A point of the picture; ``low_y`` and ``high_y`` are the ends of its interval."""

    name: str
    memory: str
    x: float
    y: float
    low_y: float
    high_y: float
    r: float
    is_front: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Places in a picture of 800 by 320."""

    dots: tuple[Dot, ...]
    front_path: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]


def tradeoff_picture(snapshot: EvaluationSnapshot, results: Results) -> Picture | None:
    """Where everything stands; None where fewer than two subjects have all figures."""
    points = tradeoff_points(snapshot, results)
    if len(points) < 2:
        return None
    fastest = 1.15 * max(point.tokens_per_s for point in points)
    lowest = floor(10 * min(point.score.low for point in points)) / 10
    highest = max(lowest + 0.1, ceil(10 * max(point.score.high for point in points)) / 10)

    def x(speed: float) -> float:
        return LEFT + (RIGHT - LEFT) * speed / fastest

    def y(score: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (score - lowest) / (highest - lowest)

    dots = tuple(
        Dot(
            name=point.name,
            memory=memory_words(point.memory_bytes),
            x=x(point.tokens_per_s),
            y=y(point.score.mean),
            low_y=y(point.score.low),
            high_y=y(point.score.high),
            r=r,
            is_front=point.is_front,
        )
        for point, r in zip(points, radii(points, LARGEST_R), strict=True)
    )
    front = [dot for dot in dots if dot.is_front]
    steps = [step / (TICKS - 1) for step in range(TICKS)]
    return Picture(
        dots,
        " ".join(f"{dot.x:.1f},{dot.y:.1f}" for dot in front) if len(front) > 1 else "",
        tuple(Tick(x(fastest * step), f"{fastest * step:.3g}") for step in steps),
        tuple(
            Tick(y(lowest + (highest - lowest) * step), f"{lowest + (highest - lowest) * step:.0%}") for step in steps
        ),
    )
