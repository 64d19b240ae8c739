"""What a model is like is found again from runs that were made by known rules."""

from __future__ import annotations

import math
import random
from dataclasses import astuple, replace
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.answer_lengths import SeenAnswer, whole_tasks
from multi_llm_comparator.plans.company import Slowdown
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.fitting import fitted_profile
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanningAttempt, PlanOptions, PlanRun
from multi_llm_comparator.plans.prediction import predict
from multi_llm_comparator.plans.step_run import Attempt, StepRun
from multi_llm_comparator.plans.step_samples import PhaseSample, StepSample
from multi_llm_comparator.plans.theory import ModelProfile, schedule_plan

OPTIONS = PlanOptions(
    executor=ExecutorOptions(small_model="small", large_model="large"), router_model="planner", aggregation="last_step"
)
# The world as it is: nothing of this is told to the predictor.
TRUTH = {
    "small": ModelProfile(
        0.02,
        500.0,
        handoff_s=0.004,
        reading=Slowdown(reading=0.5, others_reading=0.1, others_writing=0.2),
        writing=Slowdown(reading=0.4, writing=0.2, others_reading=0.1, others_writing=0.2),
    ),
    # As an endpoint: it reads many prompts at once, and nobody waits for anybody.
    "large": ModelProfile(0.05, 100.0, handoff_s=0.004),
}
TASKS = [f"What is {n} + {n * n}?" for n in range(12)]


def random_plan(chance: random.Random) -> Plan:
    steps = []
    for number in range(1, chance.randint(2, 8) + 1):
        task, rely = chance.choice(TASKS), chance.sample(range(1, number), min(number - 1, chance.randint(0, 2)))
        steps.append(Step(str(number), task, chance.choice([2, 7]), 64, tuple(str(n) for n in sorted(rely))))
    return Plan(tuple(steps))


def tokens_of(step: Step) -> int:
    return 3 + 5 * TASKS.index(step.task) + (20 if step.difficulty > 5 else 0)


def happened(plan: Plan, at: float, noise: float, chance: random.Random) -> PlanRun:
    """A run of the plan in the true world, with times off by up to ``noise``."""
    whole = whole_tasks(plan.steps)
    truth = {
        name: ModelProfile(
            p.ttft_s * chance.uniform(1 - noise, 1 + noise),
            p.tokens_per_second,
            handoff_s=p.handoff_s,
            reading=p.reading,
            writing=p.writing,
            seen=tuple(
                SeenAnswer(s.task, whole[s.id], s.difficulty, 64, tokens_of(s)) for s in plan.steps if _is_for(name, s)
            ),
        )
        for name, p in TRUTH.items()
    }
    run = PlanRun(None, "q", OPTIONS, run_id=str(at))  # type: ignore[arg-type]
    run.plan, run.state, run.created_at = plan, "done", at
    schedule = schedule_plan(plan, truth, OPTIONS.executor.target_of, OPTIONS.executor.workers)
    run.ended_at = at + schedule.makespan_s
    for one in schedule.steps:
        start, end = at + one.start_s, at + one.end_s
        progress = AnswerProgress(
            requested_at=start,
            state="done",
            first_token_at=at + one.first_s,
            last_token_at=end,
            ended_at=end,
            prompt_tokens=20,
            tokens=tokens_of(one.step),
        )
        step_run = StepRun(one.step, "done", at, start, start, end, [Attempt(one.target, "p", progress)], "x")
        run.steps[one.step.id] = step_run
    return run


def _is_for(target: str, step: Step) -> bool:
    return OPTIONS.executor.target_of(step) == target


@pytest.mark.parametrize(("noise", "allowed"), [(0.0, 0.05), (0.2, 0.10)])
def test_runs_are_predicted_from_runs_of_other_plans(noise, allowed):
    chance = random.Random(1)
    tracker = PerformanceTracker()
    for number in range(30):
        tracker.track(happened(random_plan(chance), 1000.0 * number, noise, chance))
    # Where a plan ends in several steps, nobody puts their answers together.
    profiles = {name: replace(profile, answer_s=0.0) for name, profile in tracker.profiles().items()}
    errors = []
    for number in range(30):
        prediction = predict(happened(random_plan(chance), 1e6 + number, noise, chance), profiles)
        assert prediction is not None and prediction.error is not None
        errors.append(abs(prediction.error))
    assert median(errors) <= allowed


def test_the_true_figures_are_found_again():
    chance = random.Random(2)
    tracker = PerformanceTracker()
    for number in range(60):
        tracker.track(happened(random_plan(chance), 1000.0 * number, 0.0, chance))
    for name, profile in tracker.profiles().items():
        truth = TRUTH[name]
        assert profile.handoff_s == pytest.approx(0.004, abs=0.001)
        assert profile.ttft_s == pytest.approx(truth.ttft_s, rel=0.05)
        assert profile.tokens_per_second == pytest.approx(truth.tokens_per_second, rel=0.05)
        # No planner was at work, so nothing is known of what it costs; and what was hardly ever there is known roughly.
        assert astuple(profile.reading)[:4] == pytest.approx(astuple(truth.reading)[:4], abs=0.15)
        assert astuple(profile.writing)[:4] == pytest.approx(astuple(truth.writing)[:4], abs=0.15)


def test_steps_that_always_had_the_planner_beside_them_take_time_of_their_own():
    chance = random.Random(5)
    tracker = PerformanceTracker()
    for number in range(30):
        run = happened(random_plan(chance), 1000.0 * number, 0.1, chance)
        at_work = AnswerProgress(requested_at=run.created_at, ended_at=max(s.ended_at or 0 for s in run.steps.values()))
        run.planning = [PlanningAttempt((), at_work)]
        tracker.track(run)
    for name, profile in tracker.profiles().items():
        # How much of it was the planner's doing cannot be known.
        assert TRUTH[name].tokens_per_second <= profile.tokens_per_second <= 2 * TRUTH[name].tokens_per_second
        assert 0.5 * TRUTH[name].ttft_s <= profile.ttft_s <= TRUTH[name].ttft_s


def test_steps_that_failed_or_were_tried_again_tell_nothing():
    chance = random.Random(3)
    run = happened(random_plan(chance), 0.0, 0.0, chance)
    for step in run.steps.values():
        step.attempts.append(step.attempts[0])
    tracker = PerformanceTracker()
    tracker.track(run)
    assert all(profile.seen == () for profile in tracker.profiles().values())


def test_a_few_steps_are_enough_for_a_first_guess():
    chance = random.Random(4)
    run = happened(Plan((Step("1", TASKS[3], 2, 64), Step("2", TASKS[5], 7, 64, ("1",)))), 0.0, 0.0, chance)
    tracker = PerformanceTracker()
    tracker.track(run)
    prediction = predict(run, tracker.profiles())
    assert prediction is not None
    assert prediction.error == pytest.approx(0.0, abs=0.05)


PHASES = st.builds(
    lambda seconds, shares: PhaseSample(seconds, tuple(seconds * share for share in shares)),
    st.one_of(st.just(0.0), st.floats(1e-6, 1e4)),
    st.lists(st.floats(0, 2), min_size=5, max_size=5),
)
ANSWERS = st.builds(
    lambda tokens, read, known: SeenAnswer("t", "t", 1, 64, tokens, read, 0, read + known),
    st.integers(1, 5_000),
    st.integers(0, 5_000),
    st.integers(0, 5_000),
)
SAMPLES = st.builds(StepSample, st.just("m"), ANSWERS, PHASES, PHASES, st.none() | st.floats(1e-3, 1e6), st.none())


@settings(max_examples=80, deadline=None)
@given(st.lists(SAMPLES, min_size=1, max_size=40))
def test_whatever_was_seen_something_can_be_predicted_from_it(samples):
    profile = fitted_profile(samples, 0.0)
    for slowdown in (profile.reading, profile.writing):
        assert all(0 <= share <= 1 for share in astuple(slowdown))
    for tokens, prompt in ((1, 0), (10, 10), (500, 3_000)):
        work = profile.work(tokens, prompt, prompt)
        assert work.reading_s >= 0
        assert work.writing_s >= 0
        assert math.isfinite(work.duration_s)
