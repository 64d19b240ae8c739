"""Question-plan pairs for tuning a planner, as chat lines that a trainer loads as they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome
from multi_llm_comparator.plans.prompts import planner_messages

PAIRS_FILE = "planner_sft.jsonl"


def is_kept(outcome: QuestionOutcome) -> bool:
    """Whether a planner should learn from it: a plan of its own that worked, and no answer known to be wrong."""
    return (
        outcome.state == "done"
        and outcome.plan is not None
        and not outcome.plan_is_direct
        and outcome.correct is not False
    )


def pair(outcome: QuestionOutcome, *, save_thinking: bool, system_prompt: str | None = None) -> dict[str, Any]:
    """One conversation: ``{"messages": [system, user, assistant]}``, the assistant's content being the plan.

    Args:
        outcome: one with a plan.
        save_thinking: put the planner's thinking before it, in a ``<think>`` block.
        system_prompt: what the planner is told; None is the built-in instruction, empty none.
    """
    thinking = f"<think>\n{outcome.thinking}\n</think>\n\n" if save_thinking and outcome.thinking else ""
    asked = planner_messages(outcome.question, system_prompt=system_prompt)
    messages = [{"role": m.role, "content": m.content} for m in asked]
    return {"messages": [*messages, {"role": "assistant", "content": f"{thinking}{outcome.plan}"}]}


def write_pairs(
    folder: Path, outcomes: Sequence[QuestionOutcome], *, save_thinking: bool, system_prompt: str | None = None
) -> int:
    """Write ``planner_sft.jsonl``; returns how many pairs it has."""
    kept: Iterable[QuestionOutcome] = [o for o in outcomes if is_kept(o)]
    lines = [
        json.dumps(pair(o, save_thinking=save_thinking, system_prompt=system_prompt), ensure_ascii=False) for o in kept
    ]
    write_atomically(folder / PAIRS_FILE, "".join(f"{line}\n" for line in lines))
    return len(lines)
