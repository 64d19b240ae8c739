"""What a run should take by what earlier runs tell of its models, and what the large model alone would take."""

from __future__ import annotations

from itertools import accumulate

from multi_llm_comparator.plans.outlook import Key, LargeAlone, Outlook, Prediction, Profile, Profiles, target_of
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prompts import joined_results
from multi_llm_comparator.plans.timeline import stalls_of, working_s
from multi_llm_comparator.prediction.schedule import schedule_plan


def outlook_of(run: PlanRun, profiles: Profiles) -> Outlook:
    """By profiles from other runs: what a run tells of itself is no prediction.

    There is none before there is a plan, for a question that was asked directly, and without a profile of each target.
    """
    alone = _large_alone(run, profiles)
    if run.plan is None or run.plan_is_direct:
        return Outlook(None, alone)
    keys = _keys(run, run.plan)
    if missing := [target for target, part in keys if (target, part) not in profiles]:
        return Outlook(None, alone, tuple(dict.fromkeys(missing)))
    return Outlook(_predicted(run, run.plan, {key: profiles[key] for key in keys}), alone)


def _predicted(run: PlanRun, plan: Plan, profiles: Profiles) -> Prediction:
    options = run.options
    durations = {
        step.id: 0.0 if _needs_no_model(step) else profiles[target_of(run, step), "step"].step_s(step)
        for step in plan.steps
    }
    arrivals, planning_s, answer_s = dict[str, float](), None, None
    if run.planning:
        arrivals, planning_s = _planned(run, plan, profiles[options.router_model, "plan"])
    if _is_aggregated(run):
        answer_s = profiles[options.aggregator_model, "answer"].usual_s(options.aggregator_config.max_tokens)
    schedule = schedule_plan(plan, durations, options.executor.workers, arrivals)
    return Prediction(schedule, profiles, planning_s, answer_s, _actual_s(run, plan))


def _planned(run: PlanRun, plan: Plan, planner: Profile) -> tuple[dict[str, float], float]:
    """When each step should be there, and when the whole plan, if it is written at the first try.

    Each step is a line of the plan, and there when its last character is written.
    """
    attempt = run.planning[-1]
    lengths = [len(attempt.thinking), *(len(step.to_xml()) for step in plan.steps)]
    ends = [planner.seconds(attempt.progress.tokens * written / sum(lengths)) for written in accumulate(lengths)]
    return {step.id: end for step, end in zip(plan.steps, ends[1:], strict=True)}, ends[-1]


def _large_alone(run: PlanRun, profiles: Profiles) -> LargeAlone | None:
    """None where nothing is known of the large model, and while the run has no end or no answer."""
    model = run.options.executor.large_model
    known = profiles.get((model, "step")) or profiles.get((model, "answer"))
    done = [step.attempts[-1] for step in run.steps.values() if step.state == "done" and step.attempts]
    tokens = sum(attempt.progress.tokens for attempt in done)
    if not run.is_over or known is None or not tokens:
        return None
    return LargeAlone(model, known.seconds(tokens), tokens, known.answers)


def _keys(run: PlanRun, plan: Plan) -> list[Key]:
    """Whose profiles a prediction needs."""
    keys: list[Key] = [(target_of(run, step), "step") for step in plan.steps if not _needs_no_model(step)]
    if run.planning:
        keys.append((run.options.router_model, "plan"))
    if _is_aggregated(run):
        keys.append((run.options.aggregator_model, "answer"))
    return list(dict.fromkeys(keys))


def _is_aggregated(run: PlanRun) -> bool:
    return run.aggregate is not None or not run.last_step_suffices


def _needs_no_model(step: Step) -> bool:
    """Whether the step only puts answers side by side."""
    return joined_results(step, dict.fromkeys(step.rely, "")) is not None


def _actual_s(run: PlanRun, plan: Plan) -> float | None:
    if run.state != "done" or run.ended_at is None or any(run.steps[s.id].state != "done" for s in plan.steps):
        return None
    return working_s(run, run.created_at, run.ended_at, stalls_of(run))
