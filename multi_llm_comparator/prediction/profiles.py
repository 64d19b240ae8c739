"""How fast, how long and how dear the answers of models are: medians of earlier ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import median

from multi_llm_comparator.plans.metrics import total_cost
from multi_llm_comparator.plans.performance import CallFigures, Part, task_key
from multi_llm_comparator.plans.plan import Step

# A target (a model or a group), and for which part of a run it was asked: plans, answers to steps and aggregations have
# prompts and lengths of their own.
Key = tuple[str, Part]


@dataclass(frozen=True, slots=True)
class Profile:
    """One target at one part of a run.

    ``ttft_s`` is from the request to the first token, without loading. ``tokens_per_second`` is infinite where every
    answer had one token. ``tokens`` is the length of an answer: infinite where most ended for their budget. ``took_s``
    is what steps took that were solved before, by :func:`task_key`. All holds what the machine usually did beside.
    ``answers`` says how many it is from.
    """

    ttft_s: float
    tokens_per_second: float
    tokens: float = inf
    usd_per_token: float = 0.0
    answers: int = 0
    took_s: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, calls: Sequence[CallFigures]) -> Profile:
        """From at least one answer of at least one token."""
        speeds = [c.tokens_per_second for c in calls if c.tokens_per_second]
        by_task: dict[int, list[float]] = defaultdict(list)
        for call in calls:
            if call.task is not None and call.duration_s is not None:
                by_task[call.task].append(call.duration_s)
        return cls(
            ttft_s=median(c.ttft_s or 0.0 for c in calls),
            tokens_per_second=median(speeds) if speeds else inf,
            # An answer that its budget ended would have been longer than any that ended by itself.
            tokens=median(inf if c.was_cut else float(c.tokens) for c in calls),
            usd_per_token=(total_cost(c.cost_usd for c in calls) or 0.0) / sum(c.tokens for c in calls),
            answers=len(calls),
            took_s={task: median(seconds) for task, seconds in by_task.items()},
        )

    def seconds(self, tokens: float) -> float:
        """What an answer of so many tokens should take."""
        return self.ttft_s + max(0.0, tokens - 1) / self.tokens_per_second

    def usual_s(self, budget: int) -> float:
        """What an answer of the usual length should take, within its budget of tokens."""
        return self.seconds(min(float(budget), self.tokens))

    def step_s(self, step: Step) -> float:
        """What a step should take: what the same one took before, else an answer of the usual length."""
        return self.took_s.get(task_key(step), self.usual_s(step.token))


Profiles = Mapping[Key, Profile]


def profiles_of(calls: Iterable[CallFigures]) -> dict[Key, Profile]:
    """Profiles of all that answered. What was tried again or came from a cache tells nothing."""
    found: dict[Key, list[CallFigures]] = defaultdict(list)
    for call in calls:
        if call.is_plain and call.ttft_s is not None and call.tokens:
            found[call.target, call.part].append(call)
    return {key: Profile.of(answered) for key, answered in found.items()}
