"""What was predicted of a run, as data: room ``prediction`` makes it, charts, reports and exports show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from multi_llm_comparator.plans.performance import Part, task_key
from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.timeline import Interval, LaneKind

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


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """When a step should run, in seconds from the start of the schedule."""

    id: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """A predicted run of a plan, its steps in the plan's order."""

    steps: tuple[ScheduledStep, ...]
    critical_path: tuple[str, ...]
    critical_path_s: float

    @property
    def makespan_s(self) -> float:
        return max((s.end_s for s in self.steps), default=0.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a run should take from the question to its end, in seconds, and what it took.

    ``planning_s`` is when the planner should be done, None where the plan was given; ``answer_s`` what the aggregation
    should take, None where there is none. ``actual_s`` is None while there is no end, and of a run without some answer.
    All of this leaves out the loading of models, and pauses. ``profiles`` are those that it is made from.
    """

    schedule: Schedule
    profiles: Profiles
    planning_s: float | None = None
    answer_s: float | None = None
    actual_s: float | None = None

    @property
    def steps_end_s(self) -> float:
        """When the planner and all steps should be done."""
        return max(self.schedule.makespan_s, self.planning_s or 0.0)

    @property
    def total_s(self) -> float:
        return self.steps_end_s + (self.answer_s or 0.0)

    @property
    def critical_path_s(self) -> float:
        """Planner, steps and aggregation."""
        return self.schedule.critical_path_s + (self.answer_s or 0.0)

    @property
    def outlines(self) -> dict[tuple[LaneKind, str], Interval]:
        """From when to when planner, steps and aggregation should be at work, as charts take them."""
        found: dict[tuple[LaneKind, str], Interval] = {
            ("step", s.id): (s.start_s, s.end_s) for s in self.schedule.steps
        }
        if self.planning_s is not None:
            found["plan", ""] = (0.0, self.planning_s)
        if self.answer_s is not None:
            found["answer", ""] = (self.steps_end_s, self.total_s)
        return found

    @property
    def error(self) -> float | None:
        """Predicted over actual, less one: 0.1 is a tenth too long."""
        return self.total_s / self.actual_s - 1 if self.actual_s else None


@dataclass(frozen=True, slots=True)
class LargeAlone:
    """What the large model alone would take to write as much as the steps did, in one answer, by its profile.

    ``tokens`` are those, ``answers`` says how many earlier ones the profile is from.
    """

    model: str
    seconds: float
    tokens: int
    answers: int


@dataclass(frozen=True, slots=True)
class Outlook:
    """What earlier runs tell of one: None where they do not. ``unknown`` are the targets that nothing is known of."""

    prediction: Prediction | None
    alone: LargeAlone | None
    unknown: tuple[str, ...] = ()


def target_of(run: PlanRun, step: Step) -> str:
    """Who was asked first, else who is to be asked: of a run that began as another one, not all steps had the same
    options."""
    solved = run.steps.get(step.id)
    return solved.attempts[0].target if solved and solved.attempts else run.options.executor.target_of(step)
