"""Which models only plan: they answer no question themselves."""

from __future__ import annotations

# A model that was trained to plan says so in its name.
PLANNER_SIGN = "planner"


def is_trained_to_plan(target: str) -> bool:
    return PLANNER_SIGN in target.lower()
