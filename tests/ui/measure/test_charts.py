from __future__ import annotations

import dataclasses
import json

import pytest

from multi_llm_comparator.evaluation.measuring.documents import Score
from multi_llm_comparator.evaluation.measuring.registry import Past
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.tradeoff import tradeoff_points
from multi_llm_comparator.ui.measure.history import history_figure
from multi_llm_comparator.ui.measure.tradeoff import name_sides, tradeoff_figure
from multi_llm_comparator.workbench import Workbench
from tests.evaluation.measuring.test_results import taken

EVIL = "<b>x</b> %{x}"
# The slower, the smaller: nobody is beaten in all three.
_SEEN = taken({"a": [1.0] * 8, "b": [0.0] * 8, "c": [1.0] * 4 + [0.0] * 4})
_NAMED = _SEEN.spec.subject("c").model_copy(update={"label": EVIL})
SEEN = dataclasses.replace(_SEEN, spec=_SEEN.spec.model_copy(update={"subjects": (*_SEEN.spec.subjects[:2], _NAMED)}))


def past(run_id: str, at: float, mean: float, source: str = "prompts") -> Past:
    score = Score(subject="a", target="a", source=source, mean=mean, low=mean - 0.1, high=mean + 0.1, n=20)
    return Past(run_id, f"{EVIL} {run_id}", at, score)


@pytest.mark.parametrize("page", ["light", "dark"])
def test_a_point_stands_at_speed_and_score_and_picks_its_model(bench: Workbench, page: str) -> None:
    figure = tradeoff_figure(tradeoff_points(SEEN, results_of(SEEN)), page)
    front, *dots = figure["data"]
    assert [dot["customdata"][0][0] for dot in dots] == ["a", "b", "c"]
    assert [(dot["x"], dot["y"]) for dot in dots] == [([10.0], [1.0]), ([20.0], [0.0]), ([30.0], [0.5])]
    sizes = [dot["marker"]["size"] for dot in dots]
    assert sizes == sorted(sizes)
    assert sum(dot["marker"]["line"]["width"] > 0 for dot in dots) == len(front["x"])
    assert "<b>x" not in json.dumps(dots[2]["text"])
    assert "%{x}" not in dots[2]["hovertemplate"]


def test_names_stand_where_they_cover_nothing_and_the_best_come_first() -> None:
    points = tradeoff_points(SEEN, results_of(SEEN))
    assert name_sides(points, [20.0] * 3) == ["top center"] * 3
    alike = [dataclasses.replace(points[0], is_front=number == 5) for number in range(12)]
    sides = name_sides(alike, [20.0] * 12)
    assert sides[5] == "top center"
    placed = [side for side in sides if side]
    assert len(set(placed)) == len(placed) < 12


def test_a_models_results_are_a_line_over_time_for_each_source_and_a_point_opens_its_run(bench: Workbench) -> None:
    subjects = {"a": SEEN.spec.subject("a")}
    found = [past("r2", 2000.0, 0.6), past("r1", 1000.0, 0.4), past("r3", 3000.0, 0.5, "mmlu")]
    own, mmlu = history_figure(subjects, {"a": found}, "light")["data"]
    assert own["y"] == [0.4, 0.6]
    assert [one[0] for one in own["customdata"]] == ["r1", "r2"]
    assert own["x"] == sorted(own["x"])
    assert own["marker"]["symbol"] != mmlu["marker"]["symbol"]
    assert "<b>" not in own["customdata"][0][1]
