from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.tracking.records import Point
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from multi_llm_comparator.ui.tune.curves import (
    MAX_POINTS,
    SMALL,
    JobLine,
    loss_chart,
    small_charts,
    smoothed,
    thinned,
)


def points(series: str, values: list[float]) -> list[Point]:
    return [Point(series=series, step=step, value=value, at=0.0) for step, value in enumerate(values, 1)]


@given(st.integers(0, 5 * MAX_POINTS))
def test_a_long_curve_is_drawn_by_a_bounded_number_of_points_and_keeps_both_ends(n: int) -> None:
    whole = points("loss", [float(i) for i in range(n)])
    drawn = thinned(whole)
    assert len(drawn) <= MAX_POINTS
    assert drawn[:1] == whole[:1] and drawn[-1:] == whole[-1:]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200))
def test_a_smoothed_curve_begins_at_the_first_value_and_stays_within_the_values(values: list[float]) -> None:
    smooth = smoothed(values)
    assert len(smooth) == len(values) and math.isclose(smooth[0], values[0], abs_tol=1e-9)
    slack = 1e-6 * (1 + max(map(abs, values)))
    assert all(min(values) - slack <= value <= max(values) + slack for value in smooth)


def test_several_jobs_have_a_line_each_in_a_colour_of_their_own_and_markup_in_titles_stays_text() -> None:
    lines = [
        JobLine(title, tone, {"loss": points("loss", [3.0, 2.0]), "validation_loss": points("validation_loss", [3.0])})
        for title, tone in (("<b>one</b>", MODEL_TONES[0]), ("two", MODEL_TONES[1]))
    ]
    drawn = loss_chart(lines, "light")["data"]
    assert {trace["line"]["color"] for trace in drawn} == {tone.light for tone in MODEL_TONES[:2]}
    assert not any("<b>" in trace["name"] for trace in drawn)


def test_every_small_chart_has_its_place_before_there_is_a_point() -> None:
    figure = small_charts({}, MODEL_TONES[0], "dark")
    assert len(figure["data"]) == len(figure["layout"]["annotations"]) == len(SMALL)
    assert {trace["xaxis"] for trace in figure["data"]} == {"x", "x2", "x3", "x4"}


def test_memory_is_drawn_in_gigabytes() -> None:
    figure = small_charts({"memory_bytes": points("memory_bytes", [2e9])}, MODEL_TONES[0], "light")
    assert figure["data"][SMALL.index("memory_bytes")]["y"] == [2.0]
