"""How fast, how long and how dear the answers of models are: medians of earlier ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import inf
from statistics import median

from multi_llm_comparator.core.timings import known_sum
from multi_llm_comparator.plans.outlook import Key, Profile
from multi_llm_comparator.plans.performance import CallFigures


def profiles_of(calls: Iterable[CallFigures]) -> dict[Key, Profile]:
    """Profiles of all that answered. What was tried again or came from a cache tells nothing."""
    found: dict[Key, list[CallFigures]] = defaultdict(list)
    for call in calls:
        if call.is_plain and call.ttft_s is not None and call.tokens:
            found[call.target, call.part].append(call)
    return {key: profile_of(answered) for key, answered in found.items()}


def profile_of(calls: Sequence[CallFigures]) -> Profile:
    """From at least one answer of at least one token."""
    speeds = [c.tokens_per_second for c in calls if c.tokens_per_second]
    by_task: dict[int, list[float]] = defaultdict(list)
    for call in calls:
        if call.task is not None and call.duration_s is not None:
            by_task[call.task].append(call.duration_s)
    return Profile(
        ttft_s=median(c.ttft_s or 0.0 for c in calls),
        tokens_per_second=median(speeds) if speeds else inf,
        # An answer that its budget ended would have been longer than any that ended by itself.
        tokens=median(inf if c.was_cut else float(c.tokens) for c in calls),
        usd_per_token=(known_sum(c.cost_usd for c in calls) or 0.0) / sum(c.tokens for c in calls),
        answers=len(calls),
        took_s={task: median(seconds) for task, seconds in by_task.items()},
    )
