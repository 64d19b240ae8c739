"""What a run should take by what earlier runs tell of its models, and what the large model alone would take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.simulation import Background
from multi_llm_comparator.plans.theory import ModelProfile, Schedule, schedule_plan
from multi_llm_comparator.plans.timeline import Span, merged, stalls_of, working_s

# How often planner and steps are predicted in turn: each needs the other.
TURNS = 2


@dataclass(frozen=True)
class Prediction:
    """What a run should take from the question to its end, in seconds, and what it took.

    ``planner`` is when the planner should be at work, None where the plan was given; ``answer_s`` what putting the
    answers together should take. ``actual_s`` is None while there is no end, and of a run without some answer. All of
    this leaves out the loading of models, and pauses.
    """

    schedule: Schedule
    profiles: Mapping[str, ModelProfile]
    actual_s: float | None = None
    planner: Background | None = None
    answer_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.schedule.makespan_s + self.answer_s

    @property
    def critical_path_s(self) -> float:
        """Planner, steps and putting together."""
        return self.schedule.critical_path_s + self.answer_s

    @property
    def error(self) -> float | None:
        """Predicted over actual, less one: 0.1 is a tenth too long."""
        return self.total_s / self.actual_s - 1 if self.actual_s else None


@dataclass(frozen=True)
class LargeAlone:
    """What the large model alone would take to write as much as the steps did, in one answer, by its profile.

    ``tokens`` are those, ``answers`` says how many earlier ones the profile is from.
    """

    model: str
    seconds: float
    tokens: int
    answers: int


@dataclass(frozen=True)
class Outlook:
    """What earlier runs tell of one: None where they do not. ``unknown`` are the models that nothing is known of."""

    prediction: Prediction | None
    alone: LargeAlone | None
    unknown: tuple[str, ...] = ()


def outlook_of(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> Outlook:
    """By profiles from other runs: what a run tells of itself is no prediction."""
    return Outlook(predict(run, profiles), large_alone(run, profiles), _unknown(run, profiles))


def predict(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> Prediction | None:
    """The planner, the schedule of its plan, and the putting together.

    None before there is a plan, for a question that was asked directly, and without a profile of each model.
    """
    if run.plan is None or run.plan_is_direct or _unknown(run, profiles):
        return None
    schedule, planner = _scheduled(run, run.plan, profiles), None
    if run.planning:
        # Steps that are solved meanwhile slow the planner down, and so come later themselves.
        beside: list[Span] = []
        for _ in range(1 + TURNS):
            arrivals, planner = _planning(run, run.plan, profiles, beside)
            schedule = _scheduled(run, run.plan, profiles, arrivals, [planner])
            beside = _at_work(schedule)
    answer_s = (profiles[run.options.aggregator_model].answer_s or 0.0) if _is_put_together(run) else 0.0
    return Prediction(schedule, profiles, _actual_s(run, run.plan), planner, answer_s)


def large_alone(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> LargeAlone | None:
    """None where nothing is known of the large model, and while the run has no end or no answer."""
    model = run.options.executor.large_model
    done = [step.attempts[-1] for step in run.steps.values() if step.state == "done" and step.attempts]
    tokens = sum(attempt.progress.tokens for attempt in done)
    if not run.is_over or model not in profiles or not tokens:
        return None
    return LargeAlone(model, profiles[model].work(tokens).duration_s, tokens, profiles[model].answers)


def _unknown(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> tuple[str, ...]:
    """The models that a prediction would need and earlier runs do not tell of."""
    found = [_target(run, step) for step in run.plan.steps] if run.plan else []
    unknown = [target for target in found if target not in profiles]
    planner, aggregator = run.options.router_model, run.options.aggregator_model
    if run.planning and (planner not in profiles or profiles[planner].planning is None):
        unknown.append(planner)
    if _is_put_together(run) and (aggregator not in profiles or profiles[aggregator].answer_s is None):
        unknown.append(aggregator)
    return tuple(dict.fromkeys(unknown))


def _is_put_together(run: PlanRun) -> bool:
    return run.aggregate is not None or not run.last_step_suffices


def _actual_s(run: PlanRun, plan: Plan) -> float | None:
    if run.state != "done" or run.ended_at is None or any(run.steps[s.id].state != "done" for s in plan.steps):
        return None
    return working_s(run, run.created_at, run.ended_at, stalls_of(run))


def _scheduled(
    run: PlanRun,
    plan: Plan,
    profiles: Mapping[str, ModelProfile],
    arrivals_s: Mapping[str, float] | None = None,
    background: Sequence[Background] = (),
) -> Schedule:
    return schedule_plan(
        plan,
        profiles,
        lambda step: _target(run, step),
        run.options.executor.workers,
        arrivals_s=arrivals_s,
        background=background,
    )


def _planning(
    run: PlanRun, plan: Plan, profiles: Mapping[str, ModelProfile], beside: Sequence[Span]
) -> tuple[dict[str, float], Background]:
    """When each step should be there, and when the planner is at work, as its earlier plans tell for one of this length
    that is written at the first try, while models are at work ``beside`` it."""
    pace = profiles[run.options.router_model].planning
    assert pace is not None
    attempt = run.planning[-1]
    # A step is there when its last character is written: each is a line of the plan.
    lengths = [len(attempt.thinking), *(len(step.to_xml()) for step in plan.steps)]
    ends = [pace.duration_s(attempt.progress.tokens * total / sum(lengths), beside) for total in accumulate(lengths)]
    arrivals = {step.id: end for step, end in zip(plan.steps, ends[1:], strict=True)}
    return arrivals, Background(run.options.router_model, 0.0, ends[-1])


def _at_work(schedule: Schedule) -> list[Span]:
    """When each model is at work on steps."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for step in schedule.steps:
        if step.end_s > step.start_s:
            spans[step.target].append((step.start_s, step.end_s))
    return [span for each in spans.values() for span in merged(each)]


def targets_of(run: PlanRun) -> set[str]:
    """The models and groups that solve the run's steps, or have solved some, that put its answers together, and the
    planner if it was asked."""
    executor = run.options.executor
    asked = {step.attempts[0].target for step in run.steps.values() if step.attempts}
    planner = {run.options.router_model} if run.planning else set()
    return {executor.small_model, executor.large_model, run.options.aggregator_model} | asked | planner


def _target(run: PlanRun, step: Step) -> str:
    """Who was asked first, else who is to be asked: of a run that began as another one, not all steps had the same
    options."""
    solved = run.steps.get(step.id)
    return solved.attempts[0].target if solved and solved.attempts else run.options.executor.target_of(step)
