from __future__ import annotations

import json

import pytest

from multi_llm_comparator.core.json_text import json_text


def test_a_speed_that_json_cannot_hold_is_left_out() -> None:
    data = {"speeds": [1.5, float("inf")], "said": 'x: "Infinity"', "none": float("nan")}
    assert json.loads(json_text(data), parse_constant=pytest.fail) == {
        "speeds": [1.5, None],
        "said": 'x: "Infinity"',
        "none": None,
    }
