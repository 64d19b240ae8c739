"""What a tuned model's details show of its lineage, whoever wrote the file."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.compare.pane_setup import _shared_bases
from multi_llm_comparator.ui.kit.choices import Choice
from multi_llm_comparator.ui.models.lineage import MAX_ROWS, curves_of, rows_of


def test_curves_are_pairs_or_values_in_order() -> None:
    found = curves_of({"curves": {"loss": [[1, 2.0], [5, 1.5]], "learning_rate": [[1, 0.1]]}, "losses": [9, 8]})
    assert {name: dict(points) for name, points in found.items()} == {"loss": {1.0: 2.0, 5.0: 1.5}}
    assert dict(curves_of({"losses": [3.0, 2.0, 1.0]})["loss"]) == {1.0: 3.0, 2.0: 2.0, 3.0: 1.0}


@pytest.mark.parametrize(
    "lineage",
    [{"curves": 3}, {"curves": {"loss": "abc"}}, {"losses": [float("nan"), float("inf")]}, {"losses": [[1], {}, None]}],
)
def test_what_is_no_curve_is_not_drawn(lineage: dict[str, Any]) -> None:
    assert curves_of(lineage) == {}


def test_the_rest_is_rows_and_objects_are_a_row_for_each_part() -> None:
    lineage = {
        "base": "tiny",
        "options": {"rank": 8, "alpha": 16.0},
        "losses": [1, 2],
        "left_out": {},
        "note": "x" * 999,
    }
    rows = rows_of(lineage)
    assert rows[:3] == [("base", "tiny"), ("options rank", "8"), ("options alpha", "16")]
    assert len(rows[3][1]) == 300
    assert len(rows_of({f"k{n}": n for n in range(500)})) == MAX_ROWS


def test_panes_that_share_a_base_are_told_of_each_other() -> None:
    base = ModelInfo("b", "tiny", "/tiny", ModelType.PYTORCH, 1)
    style = ModelInfo("s", "tiny:style", "/style", ModelType.PYTORCH, 1, base=base)
    other = ModelInfo("o", "other", "/other", ModelType.GGUF, 1)
    choices = {model.id: Choice(model.id, "local", model.name, model) for model in (base, style, other)}
    panes = [Pane.new("b"), Pane.new("s"), Pane.new("o"), Pane.new("s", ModelConfig(quantization="4bit"))]
    assert _shared_bases(panes, choices) == {panes[0].id: (1,), panes[1].id: (0,)}
    assert _shared_bases([Pane.new("b"), Pane.new("b")], choices) == {}
