from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core import exceptions


def test_every_error_has_one_root() -> None:
    kinds = [v for v in vars(exceptions).values() if isinstance(v, type)]
    assert all(issubclass(kind, exceptions.MultiLLMError) for kind in kinds)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ContextOverflowError", exceptions.ContextOverflowError),
        ("InsufficientMemoryError", exceptions.InsufficientMemoryError),
        ("SystemExit", exceptions.InferenceError),
    ],
)
def test_an_error_that_crossed_a_process_is_rebuilt_by_name(name: str, kind: Any) -> None:
    error = exceptions.error_from_name(name, "why")
    assert type(error) is kind
    assert str(error) == "why"


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        ([], "InferenceError"),
        (["ModelProcessDied", "ModelProcessDied"], "ModelProcessDied"),
        (["ModelProcessDied", "RateLimitedError"], "InferenceError"),
        (["ModelProcessDied", "BudgetExceededError"], "BudgetExceededError"),
    ],
)
def test_of_several_failures_a_spent_budget_counts_most_and_different_ones_have_no_kind_of_their_own(
    kinds: list[str], found: str
) -> None:
    assert exceptions.kind_of_all(kinds) == found
