"""The line before an engine: by arrival, with a head start by priority, and nobody waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.requests import GenerationRequest, Message, Priority
from multi_llm_comparator.inferencers import request_queue
from multi_llm_comparator.inferencers.request_queue import HEAD_START_S, WaitingLine


def asked(priority: Priority = "high") -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", "hello"),), priority=priority)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [0.0]
    monkeypatch.setattr(request_queue, "now", lambda: at[0])
    return at


def test_first_come_first_served() -> None:
    line, requests = WaitingLine(), [asked() for _ in range(5)]
    for request in requests:
        line.join(request)
    assert [line.take() for _ in requests] == requests


def test_a_higher_priority_goes_first(clock: list[float]) -> None:
    line = WaitingLine()
    low, normal, high = (asked(priority) for priority in ("low", "normal", "high"))
    for request in (low, normal, high):
        line.join(request)
        clock[0] += 1
    assert [line.take() for _ in range(3)] == [high, normal, low]


def test_who_has_waited_for_long_goes_before_a_higher_priority(clock: list[float]) -> None:
    line, low, high = WaitingLine(), asked("low"), asked("high")
    line.join(low)
    clock[0] = HEAD_START_S["high"] + 1
    line.join(high)
    assert line.take() is low


def test_news_tell_each_its_place_when_it_changes(clock: list[float]) -> None:
    line, first, second = WaitingLine(), asked("normal"), asked("high")
    line.join(first)
    assert [(event.request_id, event.ahead) for event in line.news()] == [(first.id, 0)]
    assert line.news() == []
    line.join(second)
    assert [(event.request_id, event.ahead) for event in line.news()] == [(second.id, 0), (first.id, 1)]
    assert line.take_first(lambda request: request is first) is first
    assert line.news() == []
    assert line.leave(first.id) is None
    assert len(line) == 1


@given(st.lists(st.sampled_from(["low", "normal", "high"]), max_size=20))
def test_of_one_priority_the_order_is_that_of_arrival(priorities: list[Priority]) -> None:
    line, requests = WaitingLine(), [asked(priority) for priority in priorities]
    for request in requests:
        line.join(request)
    taken = [line.take() for _ in requests]
    for priority in HEAD_START_S:
        assert [one for one in taken if one.priority == priority] == [o for o in requests if o.priority == priority]


def test_a_request_keeps_its_priority_on_the_way_to_its_model() -> None:
    assert GenerationRequest.from_dict(asked("low").to_dict()).priority == "low"
    without = {name: value for name, value in asked().to_dict().items() if name != "priority"}
    assert GenerationRequest.from_dict(without).priority == "high"
