"""What a run should have taken by theory, beside what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.simulation import Background
from multi_llm_comparator.plans.theory import ModelProfile, Schedule, schedule_plan
from multi_llm_comparator.plans.timeline import working_s


@dataclass(frozen=True)
class Prediction:
    """A schedule, in seconds from ``origin`` (since the epoch), and what really happened.

    ``actual_s`` is from the origin to the end of the last step; None while a step has not ended. All times leave out
    those in which nobody worked on the run.
    """

    schedule: Schedule
    profiles: Mapping[str, ModelProfile]
    origin: float
    actual_s: float | None

    @property
    def error(self) -> float | None:
        """Predicted over actual, less one: 0.1 is a tenth too long."""
        return self.schedule.makespan_s / self.actual_s - 1 if self.actual_s else None

    @property
    def from_itself(self) -> tuple[str, ...]:
        """The models that only this run tells about: what it says of them it did not foretell."""
        return tuple(name for name, profile in self.profiles.items() if profile.of_same_run)


def predict(run: PlanRun, profiles: Mapping[str, ModelProfile]) -> Prediction | None:
    """The schedule of a run's plan with the arrivals its planner really had, and the planner at work meanwhile.

    None without a profile of each model.
    """
    if run.plan is None:
        return None
    targets = {step.id: _target(run, step) for step in run.plan.steps}
    if not profiles.keys() >= set(targets.values()):
        return None
    origin = run.planning[0].progress.requested_at if run.planning else run.created_at

    def seconds(at: float) -> float:
        return working_s(run, origin, at)

    arrivals = {i: seconds(s.arrived_at) for i, s in run.steps.items()}
    planner = [
        Background(run.options.router_model, seconds(a.progress.requested_at), seconds(a.progress.ended_at))
        for a in run.planning
        if a.progress.ended_at is not None
    ]
    schedule = schedule_plan(
        run.plan,
        profiles,
        lambda step: targets[step.id],
        run.options.executor.workers,
        arrivals_s=arrivals,
        background=planner,
    )
    ends = [s.ended_at for s in run.steps.values() if s.state == "done" and s.ended_at is not None]
    is_whole = len(ends) == len(run.plan.steps)
    return Prediction(schedule, profiles, origin, seconds(max(ends)) if is_whole else None)


def targets_of(run: PlanRun) -> set[str]:
    """The models and groups that solve the run's steps, or have solved some."""
    executor = run.options.executor
    asked = {step.attempts[0].target for step in run.steps.values() if step.attempts}
    return {executor.small_model, executor.large_model} | asked


def _target(run: PlanRun, step: Step) -> str:
    """Who was asked first, else who is to be asked: of a run that began as another one, not all steps had the same
    options."""
    solved = run.steps.get(step.id)
    return solved.attempts[0].target if solved and solved.attempts else run.options.executor.target_of(step)
