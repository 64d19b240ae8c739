from __future__ import annotations

from multi_llm_comparator.plans.run_words import cost


def test_costs_are_written_as_people_read_them() -> None:
    assert [cost(c) for c in (None, 0.0, 0.00123, 12.5)] == ["–", "$0", "$0.0012", "$12.50"]
