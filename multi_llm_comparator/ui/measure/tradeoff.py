"""Quality against speed against memory as a chart, and the way from each model's numbers to the items behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.crossing import headings
from multi_llm_comparator.evaluation.measuring.results import Results
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.tradeoff import TradeoffPoint, radii, tradeoff_points
from multi_llm_comparator.evaluation.measuring.words import interval_words, mean_words, source_name, words_of
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure, label, layout
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.measure.opening import open_items

HEIGHT_PX, LARGEST_PX = 340, 22.0
LABEL_CHARS = 28
# What is assumed where names are placed: the plot on a usual screen up to its fastest point, what is to the right of
# that, and a letter.
PLOT_PX, BESIDE_PX, LETTER_PX, NAME_PX = (600.0, 276.0), 60.0, 6.5, 16.0
# Where a name may stand beside its point, by how far it is moved: in its own widths, and in its own heights.
SIDES = {
    "top center": (0.0, -1.0), "bottom center": (0.0, 1.0), "middle right": (0.5, 0.0), "middle left": (-0.5, 0.0),
    "top left": (-0.5, -1.0), "bottom left": (-0.5, 1.0), "top right": (0.5, -1.0), "bottom right": (0.5, 1.0),
}  # fmt: skip
Box = tuple[float, float, float, float]


def draw_tradeoff(snapshot: EvaluationSnapshot, results: Results) -> None:
    """The chart, where two models have all three figures; a click on a point opens its model's items."""
    points = tradeoff_points(snapshot, results)
    if len(points) > 1:
        live_chart(
            tradeoff_figure(points, st.context.theme.type or "light"),
            f"measure_tradeoff_{snapshot.id}",
            alt=t("measure.tradeoff_alt"),
            name="tradeoff",
            on_pick=lambda subject: open_items(snapshot.id, subject),
        )
        st.caption(t("measure.tradeoff_why"))


def draw_openers(snapshot: EvaluationSnapshot, results: Results) -> None:
    """Each number opens the items behind it: what a model got wrong, of several sources in each."""
    several, names = len(results.sources) > 1, headings(snapshot.spec.subjects)
    with st.container(horizontal=True, gap="small", key="measure_openers"):
        for number, found in enumerate(one for one in results.subjects if one.interval is not None):
            name = cut_line(names[found.subject], LABEL_CHARS)
            if several:
                name = f"{name} · {source_name(words_of(current_language()), found.source)}"
            st.button(
                t("measure.open_wrong", model=plain(name), n=say.count(found.wrong)),
                icon=":material/close:",
                type="tertiary",
                key=f"measure_open_wrong_{found.subject}{f'_{number}' if several else ''}",
                disabled=not found.wrong,
                on_click=open_items,
                args=(snapshot.id, found.subject, "all_wrong"),
                kwargs={"source": found.source if several else ""},
            )


def tradeoff_figure(points: Sequence[TradeoffPoint], page: str) -> Figure:
    """Speed to the right, score upwards, memory as the circle's area; the best trade-offs are joined and ringed."""
    front = [point for point in points if point.is_front]
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [point.tokens_per_s for point in front],
        "y": [point.score.mean for point in front],
        "line": {"color": MUTED[page], "width": 1.5, "dash": "dot"},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    sizes = [2 * r for r in radii(points, LARGEST_PX)]
    dots = [
        _dot(point, size_px, page, side)
        for point, size_px, side in zip(points, sizes, name_sides(points, sizes), strict=True)
    ]
    axis: Figure = {"gridcolor": FAINT[page], "zeroline": False, "color": MUTED[page], "fixedrange": True}
    return {
        "data": [line, *dots],
        "layout": {
            **layout(page),
            "height": HEIGHT_PX,
            "margin": {"l": 56, "r": 24, "t": 16, "b": 48},
            "showlegend": False,
            "hovermode": "closest",
            "xaxis": {**axis, "title": {"text": t("measure.axis_speed")}, "rangemode": "tozero", "automargin": True},
            "yaxis": {**axis, "title": {"text": t("measure.score")}, "tickformat": ".0%", "automargin": True},
        },
    }


def name_sides(points: Sequence[TradeoffPoint], sizes_px: Sequence[float]) -> list[str | None]:
    """For each point where its name stands: the first side on which it is whole and covers no point and no other name;
    None where there is no room for it. The best trade-offs are named first."""
    fastest = max(point.tokens_per_s for point in points) or 1.0
    low = min(point.score.low for point in points)
    high = max(max(point.score.high for point in points), low + 0.01)
    width, height = PLOT_PX
    places = [
        (width * point.tokens_per_s / fastest, height * (high - point.score.mean) / (high - low)) for point in points
    ]
    circles = [_box(x, y, size, size) for (x, y), size in zip(places, sizes_px, strict=True)]
    names: list[Box] = []
    found: list[str | None] = [None] * len(points)
    for at in sorted(range(len(points)), key=lambda at: not points[at].is_front):
        (x, y), size = places[at], sizes_px[at]
        wide = LETTER_PX * len(points[at].name)
        others = circles[:at] + circles[at + 1 :] + names
        for side, (across, down) in SIDES.items():
            box = _box(x + across * (wide + size), y + down * (NAME_PX + size) / 2, wide, NAME_PX)
            is_inside = box[0] >= 0 and box[2] <= width + BESIDE_PX
            if is_inside and not any(_meet(box, other) for other in others):
                found[at] = side
                names.append(box)
                break
    return found


def _box(x: float, y: float, width: float, height: float) -> Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _dot(point: TradeoffPoint, size_px: float, page: str, side: str | None) -> dict[str, Any]:
    colour, score = tone_of(point.target).on(page), point.score
    says = [
        f"<b>{label(point.name)}</b>",
        f"{mean_words(score)} ({interval_words(score)})",
        f"{say.speed(point.tokens_per_s)} {t('figure.speed_unit')}",
        say.size(point.memory_bytes),
        *([t("measure.front")] if point.is_front else []),
    ]
    return {
        "type": "scatter",
        "mode": "markers+text" if side else "markers",
        "x": [point.tokens_per_s],
        "y": [score.mean],
        "text": [label(point.name)],
        "textposition": side or "top center",
        "textfont": {"color": INK[page], "size": 12},
        "cliponaxis": False,
        "customdata": [[point.subject]],
        "hovertemplate": f"{'<br>'.join(says)}<extra></extra>",
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [score.high - score.mean],
            "arrayminus": [score.mean - score.low],
            "color": colour,
            "thickness": 1.5,
            "width": 4,
        },
        "marker": {
            "size": size_px,
            "color": colour,
            "opacity": 0.85,
            "line": {"color": INK[page] if point.is_front else colour, "width": 2.5 if point.is_front else 0},
        },
    }
