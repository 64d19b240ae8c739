"""How fast, how long and how dear the answers of models are: medians of earlier ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from multi_llm_comparator.plans.outlook import Key, Profile
from multi_llm_comparator.plans.performance import CallFigures


def profiles_of(calls: Iterable[CallFigures]) -> dict[Key, Profile]:
    """Profiles of all that answered. What was tried again or came from a cache tells nothing."""
    found: dict[Key, list[CallFigures]] = defaultdict(list)
    for call in calls:
        if call.is_plain and call.ttft_s is not None and call.tokens:
            found[call.target, call.part].append(call)
    return {key: Profile.of(answered) for key, answered in found.items()}
