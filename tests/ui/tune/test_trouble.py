from __future__ import annotations

import pytest

from multi_llm_comparator.core.exceptions import InsufficientMemoryError, TrainingError
from multi_llm_comparator.jobs.snapshot import Trouble
from multi_llm_comparator.ui.tune.trouble import _is_about_memory


@pytest.mark.parametrize(
    ("error", "text", "expected"),
    [
        (InsufficientMemoryError, "needs about 9 GB", True),
        (TrainingError, "memory ran out during a step; what it learnt in 40 steps is kept", True),
        (TrainingError, "the loss at step 3 is nan; lower the learning rate", False),
    ],
)
def test_less_memory_is_offered_where_memory_ran_out(error: type[Exception], text: str, expected: bool) -> None:
    assert _is_about_memory(Trouble(error.__name__, text)) is expected
