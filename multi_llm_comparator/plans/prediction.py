"""What a run should have taken by theory, beside what it took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import Span, merged
from multi_llm_comparator.plans.simulation import Background
from multi_llm_comparator.plans.theory import ModelProfile, Schedule, schedule_plan
from multi_llm_comparator.plans.timeline import working_s

# How often planner and steps are foretold in turn: each needs the other.
TURNS = 2


@dataclass(frozen=True)
class Prediction:
    """A schedule, in seconds from ``origin`` (since the epoch), and what really happened.

    ``actual_s`` is from the origin to the end of the last step; None while a step has not ended. All times leave out
    those in which nobody worked on the run. ``planner`` is when the planner should be at work; None where there was
    none, or where it was taken as it was.
    """

    schedule: Schedule
    profiles: Mapping[str, ModelProfile]
    origin: float
    actual_s: float | None
    planner: Background | None = None

    @property
    def error(self) -> float | None:
        """Predicted over actual, less one: 0.1 is a tenth too long."""
        return self.schedule.makespan_s / self.actual_s - 1 if self.actual_s else None

    @property
    def from_itself(self) -> tuple[str, ...]:
        """The models that only this run tells about: what it says of them it did not foretell."""
        return tuple(name for name, profile in self.profiles.items() if profile.of_same_run)


def predict(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> Prediction | None:
    """The schedule of a run's plan: of the planner first, where its pace is known and it wrote the plan in one go.

    Else the steps arrive when it really had written them, with the planner at work meanwhile as it was. None without a
    profile of each model that solves steps.
    """
    if run.plan is None:
        return None
    targets = {step.id: _target(run, step) for step in run.plan.steps}
    if not profiles.keys() >= set(targets.values()):
        return None
    origin = run.planning[0].progress.requested_at if run.planning else run.created_at

    def seconds(at: float) -> float:
        return working_s(run, origin, at)

    def scheduled(plan: Plan, planning: _Planning) -> Schedule:
        return schedule_plan(
            plan,
            profiles,
            lambda step: targets[step.id],
            run.options.executor.workers,
            arrivals_s=planning.arrivals_s,
            background=planning.at_work,
        )

    planning = _foretold(run, run.plan, profiles) or _as_it_was(run, seconds)
    schedule = scheduled(run.plan, planning)
    # Steps that are solved meanwhile slow the planner down, and so come later themselves.
    for _ in range(TURNS if planning.is_foretold else 0):
        planning = _foretold(run, run.plan, profiles, _at_work(schedule)) or planning
        schedule = scheduled(run.plan, planning)
    ends = [s.ended_at for s in run.steps.values() if s.state == "done" and s.ended_at is not None]
    actual_s = seconds(max(ends)) if len(ends) == len(run.plan.steps) else None
    return Prediction(schedule, profiles, origin, actual_s, planning.at_work[0] if planning.is_foretold else None)


@dataclass(frozen=True)
class _Planning:
    """When each step is there, by id, and when the planner is at work, in seconds from the origin."""

    arrivals_s: Mapping[str, float]
    at_work: Sequence[Background]
    is_foretold: bool


def _at_work(schedule: Schedule) -> list[Span]:
    """When each model is at work on steps."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for step in schedule.steps:
        if step.end_s > step.start_s:
            spans[step.target].append((step.start_s, step.end_s))
    return [span for each in spans.values() for span in merged(each)]


def _foretold(
    run: PlanRun, plan: Plan, profiles: Mapping[str, ModelProfile], beside: Sequence[Span] = ()
) -> _Planning | None:
    """The planner as its earlier plans tell, for one of this length, while models are at work ``beside`` it. Loading is
    as it was: that comes once."""
    router = run.options.router_model
    profile = profiles.get(router)
    pace = profile.planning if profile else None
    if pace is None or len(run.planning) != 1 or run.pauses or run.plan_is_direct:
        return None
    (attempt,) = run.planning
    progress = attempt.progress
    if attempt.error is not None or progress.ended_at is None or not progress.tokens:
        return None
    start = progress.load_s or 0.0
    # A step is there when its last character is written: each is a line of the plan.
    lengths = [len(attempt.thinking), *(len(step.to_xml()) for step in plan.steps)]
    written = [total / sum(lengths) for total in accumulate(lengths)][1:]
    since_then = [(max(0.0, since - start), until - start) for since, until in beside if until > start]

    def moment(share: float) -> float:
        return start + pace.duration_s(share * progress.tokens, since_then)

    arrivals = {step.id: moment(share) for step, share in zip(plan.steps, written, strict=True)}
    at_work = Background(router, start, moment(1.0))
    return _Planning(arrivals, [at_work], is_foretold=True)


def _as_it_was(run: PlanRun, seconds: Callable[[float], float]) -> _Planning:
    arrivals = {i: seconds(s.arrived_at) for i, s in run.steps.items()}
    at_work = [
        Background(run.options.router_model, seconds(a.progress.requested_at), seconds(a.progress.ended_at))
        for a in run.planning
        if a.progress.ended_at is not None
    ]
    return _Planning(arrivals, at_work, is_foretold=False)


def targets_of(run: PlanRun) -> set[str]:
    """The models and groups that solve the run's steps, or have solved some, and the planner if it was asked."""
    executor = run.options.executor
    asked = {step.attempts[0].target for step in run.steps.values() if step.attempts}
    planner = {run.options.router_model} if run.planning else set()
    return {executor.small_model, executor.large_model} | asked | planner


def _target(run: PlanRun, step: Step) -> str:
    """Who was asked first, else who is to be asked: of a run that began as another one, not all steps had the same
    options."""
    solved = run.steps.get(step.id)
    return solved.attempts[0].target if solved and solved.attempts else run.options.executor.target_of(step)
