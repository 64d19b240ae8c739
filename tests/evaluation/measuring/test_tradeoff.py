from __future__ import annotations

import dataclasses

import pytest

from multi_llm_comparator.evaluation.measuring.cells import CellKey
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.tradeoff import radii, tradeoff_picture, tradeoff_points
from tests.evaluation.measuring.test_results import taken

# Speeds are 10, 20 and 30 tokens per second, memory 100, 200 and 300 bytes.
THREE = taken({"a": [1.0] * 8, "b": [1.0] * 4 + [0.0] * 4, "c": [1.0] * 6 + [0.0] * 2})


def test_a_point_has_score_speed_and_memory_and_tells_whether_another_beats_it() -> None:
    points = tradeoff_points(THREE, results_of(THREE))
    assert [point.subject for point in points] == ["a", "b", "c"]
    assert [(p.score.mean, p.tokens_per_s, p.memory_bytes) for p in points] == [
        (1, 10, 100),
        (0.5, 20, 200),
        (0.75, 30, 300),
    ]
    assert {point.subject for point in points if point.is_front} == {"a", "b", "c"}
    assert radii(points, 10.0) == pytest.approx([10 * (1 / 3) ** 0.5, 10 * (2 / 3) ** 0.5, 10])


def test_who_wrote_nothing_has_no_speed_and_no_point() -> None:
    cells = {
        key: dataclasses.replace(cell, tokens_per_s=None) if key.subject == "b" else cell
        for key, cell in THREE.cells.items()
    }
    without = dataclasses.replace(THREE, cells=cells)
    assert [point.subject for point in tradeoff_points(without, results_of(without))] == ["a", "c"]
    only = dataclasses.replace(THREE, cells={CellKey(0, "a"): THREE.cells[CellKey(0, "a")]})
    assert tradeoff_picture(only, results_of(only)) is None


def test_the_picture_in_a_report_has_everything_inside_it() -> None:
    picture = tradeoff_picture(THREE, results_of(THREE))
    assert picture is not None
    assert all(0 < dot.x < 800 and 0 <= dot.high_y <= dot.y + 1e-6 <= dot.low_y + 2e-6 <= 300 for dot in picture.dots)
    assert [dot.x for dot in picture.dots] == sorted(dot.x for dot in picture.dots)
    assert picture.front_path.count(",") == 3
    page = export_evaluation(THREE, "html").decode()
    assert page.count("<circle") == 6
    assert "Score, speed and memory" in page
