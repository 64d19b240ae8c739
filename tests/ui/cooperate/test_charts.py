"""The charts of a cooperation."""

from __future__ import annotations

from multi_llm_comparator.ui.cooperate.charts import lane_label


def test_lanes_of_quantizations_of_one_model_are_told_apart() -> None:
    names = [f"SmolLM2-135M-Instruct-{kind}-from-Q4_1" for kind in ("Q8_0", "Q4_0")]
    labels = {lane_label("vote", name) for name in names}
    assert len(labels) == 2
    assert all(len(label) <= 26 and label.startswith("vote · Smol") for label in labels)


def test_a_lane_says_what_was_asked_for_where_that_is_long() -> None:
    assert lane_label("something that takes many words", "a-model").startswith("something that takes many")
    assert lane_label("vote", "demo-small") == "vote · demo-small"
