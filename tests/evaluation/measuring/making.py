"""Evaluations as tests need them: a few rows, a few subjects, everything else as usual."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.evaluation.measuring.spec import SUBJECT_IDS, EvaluationSpec, TaskChoice, checked_spec
from multi_llm_comparator.evaluation.prompt_sets import PromptSet, checked_set

GREEDY = ModelConfig(temperature=0.0, max_tokens=64)


def no_tasks(choice: TaskChoice) -> NoReturn:
    raise AssertionError(f"nobody asked for {choice.name}")


def prompt_set(*rows: tuple[str, str] | dict[str, Any], compare: str = "exact") -> PromptSet:
    """Rows as (prompt, expected), or as the fields they have."""
    fields = [
        {"compare": compare, "prompt": row[0], "expected": row[1]} if isinstance(row, tuple) else row for row in rows
    ]
    return checked_set("a test's", name="Mine", rows=[{"id": str(n), **row} for n, row in enumerate(fields, 1)])


def evaluation(prompts: PromptSet | None, *targets: str, config: ModelConfig = GREEDY, **more: Any) -> EvaluationSpec:
    subjects: Sequence[dict[str, Any]] = [
        {"id": letter, "target": target, "config": config} for letter, target in zip(SUBJECT_IDS, targets, strict=False)
    ]
    return checked_spec(subjects=subjects, prompts=prompts, **more)
