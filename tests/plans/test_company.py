from __future__ import annotations

from collections import Counter
from dataclasses import astuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.plans.company import LEAST_SPEED, Busy, Company, Slowdown


def busy(**phases: str) -> Busy:
    """``m="rww"``: on model m one step reads and two write; ``.`` waits, ``p`` is a planner."""
    kinds = {"r": "reading", "w": "writing", ".": "waiting", "p": "planning"}
    return Counter((name, kinds[one]) for name, steps in phases.items() for one in steps)


def test_a_step_alone_has_no_company():
    for phase, who in (("reading", "r"), ("writing", "w")):
        assert Company.of("m", phase, busy(m=who)) == Company()


def test_only_those_that_came_before_keep_one_from_reading():
    assert Company.of("m", "waiting", busy(m="r..")).reading == 1
    assert Company.of("m", "reading", busy(m="r..")).reading == 0


def test_whoever_writes_is_kept_from_it_by_whoever_reads():
    assert Company.of("m", "writing", busy(m="wr.")) == Company(reading=1)


def test_a_planner_on_the_same_model_is_one_that_writes():
    assert Company.of("m", "writing", busy(m="wp")) == Company.of("m", "writing", busy(m="ww")) == Company(writing=1)


def test_another_model_counts_once_and_by_the_most_that_it_does():
    assert Company.of("m", "writing", busy(m="w", n="rww.")) == Company(others_reading=1)
    assert Company.of("m", "writing", busy(m="w", n="www")) == Company(others_writing=1)
    assert Company.of("m", "writing", busy(m="w", n="p")) == Company(planning=1)
    assert Company.of("m", "writing", busy(m="w", n="pw")) == Company(others_writing=1)


def test_steps_that_need_no_model_keep_nobody_company():
    assert Company.of("m", "writing", busy(m="w") + Counter({("", "writing"): 5})) == Company()


def test_many_that_share_an_engine_evenly_take_as_long_as_one_after_the_other():
    even = Slowdown(writing=0.5)
    for n in (1, 2, 5):
        assert even.stretch(Company.of("m", "writing", busy(m="w" * (n + 1)))) == pytest.approx(n + 1)


SHARES = st.lists(st.floats(0, 1), min_size=5, max_size=5)


@given(SHARES, SHARES)
def test_company_never_makes_anything_faster_and_never_stops_it(lost, there):
    stretch = Slowdown(*lost).stretch(Company(*(2 * one for one in there)))
    assert 1.0 <= stretch <= 1 / LEAST_SPEED


@given(SHARES, SHARES)
def test_seconds_lost_are_what_stretched_work_takes_beyond_its_own(lost, there):
    slowdown, company = Slowdown(*(one / 20 for one in lost)), Company(*there)
    took = 3.0 * slowdown.stretch(company)
    assert took - slowdown.lost_s([took * one for one in astuple(company)]) == pytest.approx(3.0)
