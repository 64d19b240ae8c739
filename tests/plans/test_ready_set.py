from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.errors import DuplicateStepError
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.ready_set import ReadySet
from tests.plans.test_parse import plans


def step(step_id: str, *rely: str) -> Step:
    return Step(step_id, "t", 1, 1, rely)


def ready_set(*steps: Step) -> ReadySet:
    ready = ReadySet()
    for one in steps:
        ready.add(one)
    return ready


def drain(ready: ReadySet) -> list[str]:
    return [found.id for found in iter(ready.pop, None)]


@given(plans(), st.randoms())
def test_every_step_becomes_ready_exactly_once_and_after_all_it_needs(plan: Plan, random: Random) -> None:
    ready = ReadySet()
    arriving = list(plan.steps)
    running: list[str] = []
    done: list[str] = []
    while arriving or running:
        action = random.choice(["arrive"] * bool(arriving) + ["finish"] * bool(running))
        if action == "arrive":
            ready.add(arriving.pop(0))
        else:
            ended = running.pop(random.randrange(len(running)))
            done.append(ended)
            ready.done(ended)
        for started in iter(ready.pop, None):
            assert set(started.rely) <= set(done)
            running.append(started.id)
    assert sorted(done) == sorted(plan.by_id)
    assert ready.waiting() == []


@given(plans(), st.randoms())
def test_after_failures_exactly_the_steps_that_need_them_are_lost(plan: Plan, random: Random) -> None:
    import networkx as nx

    ready = ready_set(*plan.steps)
    failing = {s.id for s in plan.steps if random.random() < 0.3}
    failed: set[str] = set()
    lost: set[str] = set()
    done: set[str] = set()
    while found := ready.pop():
        if found.id in failing:
            failed.add(found.id)
            lost |= set(ready.failed(found.id))
        else:
            done.add(found.id)
            ready.done(found.id)
    expected = {d for f in failed for d in nx.descendants(plan.graph, f)}
    assert lost == expected
    assert done == set(plan.by_id) - failed - expected


def test_the_step_with_the_longest_chain_behind_it_goes_first() -> None:
    ready = ready_set(step("short"), step("long"), step("a", "long"), step("b", "a"))
    assert drain(ready) == ["long", "short"]


def test_equals_go_in_the_order_of_arrival() -> None:
    assert drain(ready_set(step("b"), step("a"), step("c"))) == ["b", "a", "c"]


def test_a_step_may_arrive_before_what_it_needs() -> None:
    ready = ready_set(step("late", "early"))
    assert ready.pop() is None
    assert ready.absent() == {"early"}
    ready.add(step("early"))
    assert drain(ready) == ["early"]
    ready.done("early")
    assert drain(ready) == ["late"]


def test_a_step_that_arrives_after_what_it_needs_has_failed_is_lost_at_once() -> None:
    ready = ready_set(step("a"))
    ready.pop()
    ready.failed("a")
    assert ready.add(step("b", "a")) == "lost"
    assert ready.add(step("c", "b")) == "lost"
    assert ready.pop() is None


def test_two_steps_with_one_id_are_refused() -> None:
    with pytest.raises(DuplicateStepError):
        ready_set(step("a"), step("a"))
