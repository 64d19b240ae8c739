from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.training.tuning_options import TuningOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("epochs", float("nan")),
        ("learning_rate", 0),
        ("learning_rate", float("inf")),
        ("rank", 0),
        ("batch_size", 0),
        ("max_tokens", 7),
        ("seed", -1),
    ],
)
def test_an_option_out_of_its_range_is_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidParameterError, match=name):
        TuningOptions(**{name: value})
