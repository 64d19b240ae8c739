from __future__ import annotations

import pytest

from multi_llm_comparator.plans.attributes import MAX_ID_LENGTH, read_step
from multi_llm_comparator.plans.documents import step_item
from multi_llm_comparator.plans.errors import BadAttributeError
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.tracking.tables import items


def test_the_longest_id_of_a_step_can_be_stored_and_a_longer_one_is_refused() -> None:
    step = read_step({"ID": "s" * MAX_ID_LENGTH, "Task": "?"}, lambda note: None)
    longest = getattr(items.c.key.type, "length", 0)
    assert len(step_item("0123456789ab", StepRun(step)).key) <= longest
    with pytest.raises(BadAttributeError):
        read_step({"ID": "s" * (MAX_ID_LENGTH + 1), "Task": "?"}, lambda note: None)
