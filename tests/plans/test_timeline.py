from __future__ import annotations

from dataclasses import replace

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.options import Phase, PlanOptions
from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.run_gantt import gantt_of
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun
from multi_llm_comparator.plans.timeline import CUT_GAP_S, Clock, lanes_of, stalls_of, working_s
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(executor=ExecutorOptions(small_model="small", large_model="large"), router_model="planner")


def progress(at: float) -> AnswerProgress:
    """One second of waiting for the model, half a second of reading, two seconds of writing."""
    return AnswerProgress(
        requested_at=at,
        state="done",
        text="seven",
        started_at=at + 1,
        first_token_at=at + 1.5,
        last_token_at=at + 3.5,
        ended_at=at + 3.5,
        tokens=5,
        answered_by="small-2",
    )


def run_with(*steps: StepRun) -> PlanRun:
    run = PlanRun(ScriptedSource(), "What is it?", OPTIONS, run_id="r")
    run.created_at = 100.0
    run.steps = {step.step.id: step for step in steps}
    return run


def done(step_id: str, at: float) -> StepRun:
    step = Step(step_id, "Count.", 2, 20)
    return StepRun(
        step, "done", at, at, at + 0.5, at + 4, [StepAttempt("small", "Count.", progress(at + 0.5))], "seven"
    )


def test_a_step_waits_for_a_worker_then_for_the_model_then_reads_then_writes() -> None:
    [lane] = lanes_of(run_with(done("1", 100.0)))
    assert [(s.kind, s.start, s.end) for s in lane.stretches] == [
        ("worker", 100.0, 100.5),
        ("model", 100.5, 101.5),
        ("prefill", 101.5, 102.0),
        ("decode", 102.0, 104.0),
    ]
    assert {s.answered_by for s in lane.stretches[1:]} == {"small-2"}


def test_loading_is_told_from_waiting() -> None:
    step = done("1", 100.0)
    step.attempts[0].progress.loading_at, step.attempts[0].progress.load_s = 100.75, 0.5
    [lane] = lanes_of(run_with(step))
    assert [(s.kind, s.start, s.end) for s in lane.stretches][1:4] == [
        ("model", 100.5, 100.75),
        ("load", 100.75, 101.25),
        ("model", 101.25, 101.5),
    ]


def test_loading_that_began_for_another_request_ends_where_reading_begins() -> None:
    step = done("1", 100.0)
    step.attempts[0].progress.loading_at, step.attempts[0].progress.load_s = 100.75, 60.0
    [lane] = lanes_of(run_with(step))
    assert [(s.kind, s.end) for s in lane.stretches][2:] == [("load", 101.5), ("prefill", 102.0), ("decode", 104.0)]


def test_what_goes_on_reaches_up_to_now() -> None:
    running = StepRun(Step("1", "Count.", 2, 20), "running", 100.0, 100.0, 100.0)
    running.attempts = [StepAttempt("small", "Count.", AnswerProgress(requested_at=100.0, state="queued"))]
    ready = StepRun(Step("2", "Count.", 2, 20), "ready", 100.0, 101.0)
    run = run_with(running, ready)
    assert [lane.stretches for lane in lanes_of(run)] == [(), ()]
    first, second = lanes_of(run, at=105.0)
    assert [(s.kind, s.end) for s in first.stretches] == [("model", 105.0)]
    assert [(s.kind, s.start, s.end) for s in second.stretches] == [("worker", 101.0, 105.0)]


@pytest.mark.parametrize(("phase", "ends"), [("planning", [103.5, 130.0]), ("", [103.5, 123.5])])
def test_a_planner_that_was_given_up_is_not_at_work_any_more(phase: Phase, ends: list[float]) -> None:
    run = run_with()
    run.state, run.phase = "running", phase
    run.planning = [PlanningAttempt((), replace(progress(at), state="running", ended_at=None)) for at in (100.0, 120.0)]
    assert [lane.stretches[-1].end for lane in lanes_of(run, at=130.0)] == ends


def test_the_pause_before_a_resume_is_cut_out_of_the_clock() -> None:
    run = run_with(done("1", 100.0), done("2", 3704.0))
    run.pauses = [(104.0, 3704.0)]
    clock = Clock(100.0, run.pauses)
    assert clock.seconds(104.0) == 4.0
    assert clock.seconds(3704.0) == 4.0 + CUT_GAP_S
    assert clock.seconds(3708.0) == 8.0 + CUT_GAP_S
    assert clock.cuts == [(4.0 + CUT_GAP_S / 2, 3600.0)]


def test_work_is_found_on_the_clock_around_its_pauses() -> None:
    clock = Clock(100.0, [(104.0, 3704.0), (3706.0, 3706.2)])
    moments = [(100.0, 0.0), (103.0, 3.0), (3705.0, 5.0), (3708.2, 8.0)]
    for at, worked in moments:
        assert clock.worked(worked) == pytest.approx(clock.seconds(at))
    # What ends with the work before a pause, and what begins with the work after it.
    assert clock.worked(4.0, is_end=True) == clock.seconds(104.0) == 4.0
    assert clock.worked(4.0) == clock.seconds(3704.0) == 4.0 + CUT_GAP_S
    assert clock.worked(9.0, is_end=True) == pytest.approx(9.2 + CUT_GAP_S)


def test_a_pause_is_no_time_at_work() -> None:
    run = run_with(done("1", 100.0), done("2", 3704.0))
    run.pauses = [(104.0, 3704.0)]
    assert working_s(run, 100.0, 3708.0) == 8.0
    assert working_s(run, 102.0, 3000.0) == 2.0
    known = run_metrics(run)
    assert (known.steps_s, known.work_s) == (7.0, 7.0)


def test_a_run_whose_workbench_was_killed_paused_when_something_last_happened() -> None:
    run = run_with(done("1", 100.0), done("2", 101.0))
    run.created_at, run.ended_at = 99.0, None
    assert run.last_moment == 105.0
    run.ended_at = 110.0
    assert run.last_moment == 110.0


def test_a_failure_is_told_where_it_happened() -> None:
    failed = StepRun(Step("1", "Count.", 2, 20), "failed", 100.0, 100.0, 100.0, 101.0)
    outcome = AnswerProgress(requested_at=100.0, state="failed", ended_at=101.0, error="out of order")
    failed.attempts = [StepAttempt("small", "Count.", outcome)]
    run = run_with(failed)
    assert [s.error for s in lanes_of(run)[0].stretches] == ["out of order"]
    assert "out of order" in gantt_of(run, ())


def test_what_only_loading_took_stays_on_the_clock_but_is_no_work() -> None:
    step = done("1", 100.0)
    step.attempts[0].progress.loading_at, step.attempts[0].progress.load_s = 100.5, 1.0
    other = done("2", 97.2)
    run = run_with(step, other)
    # Until 101.2 s the other one writes.
    assert stalls_of(run) == [(pytest.approx(101.2), 101.5)]
    assert working_s(run, 100.0, 104.0, stalls_of(run)) == pytest.approx(3.7)
    clock = Clock(100.0, [], [(100.0, 101.0)])
    assert (clock.seconds(103.0), clock.worked(2.0), clock.worked(0.0)) == (3.0, 3.0, 1.0)
    assert clock.worked(0.0, is_end=True) == 0.0


def test_a_model_that_is_still_being_loaded_holds_the_run_up() -> None:
    step = StepRun(Step("1", "Count.", 2, 20), "running", 100.0, 100.0, 100.0)
    step.attempts = [StepAttempt("small", "Count.", AnswerProgress(100.0, "loading", loading_at=100.5))]
    run = run_with(step)
    run.state = "running"
    [(start, end)] = stalls_of(run)
    assert start == 100.5 and end > start
