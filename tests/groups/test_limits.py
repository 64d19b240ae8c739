"""Limits: never more than allowed, for any arrivals; all levels or none; exact after correction."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.groups.limits import Grant, Level, MemoryLimits, Refusal
from multi_llm_comparator.groups.windows import WINDOW_S

gaps = st.one_of(st.just(0.0), st.floats(0.001, 90.0))
arrivals = st.lists(st.tuples(gaps, st.integers(1, 50)), max_size=120)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@given(arrivals, st.integers(1, 20))
def test_sliding_window_never_passes_more_requests_in_any_minute(arrived: list[tuple[float, int]], rpm: int) -> None:
    clock = Clock()
    limits = MemoryLimits(clock)
    passed = []
    for gap, _ in arrived:
        clock.now += gap
        if isinstance(limits.take_now((Level("m", rpm=rpm),), 0), Grant):
            passed.append(clock.now)
    for start in passed:
        assert sum(start <= at < start + WINDOW_S for at in passed) <= rpm


@given(arrivals, st.integers(50, 120), st.randoms(use_true_random=False))
def test_no_minute_has_more_tokens_than_allowed_whatever_is_given_back(
    arrived: list[tuple[float, int]], tpm: int, random: object
) -> None:
    clock = Clock()
    limits = MemoryLimits(clock)
    running: list[tuple[float, int, Grant]] = []
    used: list[tuple[float, float]] = []
    for gap, tokens in arrived:
        clock.now += gap
        if running and random.random() < 0.5:  # type: ignore[attr-defined]
            at, reserved, grant = running.pop(random.randrange(len(running)))  # type: ignore[attr-defined]
            actual = random.randint(0, reserved)  # type: ignore[attr-defined]
            limits.settle(grant, actual)
            used.append((at, actual))
        got = limits.take_now((Level("m", tpm=tpm),), tokens)
        if isinstance(got, Grant):
            running.append((clock.now, tokens, got))
    used += [(at, reserved) for at, reserved, _ in running]
    for start, _ in used:
        assert sum(tokens for at, tokens in used if start <= at < start + WINDOW_S) <= tpm


@given(arrivals, st.integers(1, 20))
def test_token_bucket_passes_at_most_its_size_and_what_flowed_in(arrived: list[tuple[float, int]], rpm: int) -> None:
    clock = Clock()
    limits = MemoryLimits(clock)
    level = Level("m", rpm=rpm, algorithm="token_bucket")
    passed = []
    for gap, _ in arrived:
        clock.now += gap
        if isinstance(limits.take_now((level,), 0), Grant):
            passed.append(clock.now)
    for first, start in enumerate(passed):
        for count, end in enumerate(passed[first:], 1):
            assert count <= rpm + (end - start) * rpm / 60 + 1e-3


@given(st.sampled_from(["sliding_window", "token_bucket"]), st.integers(1, 30), st.integers(1, 60))
def test_what_is_refused_passes_after_the_wait_it_was_told(algorithm: str, rpm: int, calls: int) -> None:
    clock = Clock()
    limits = MemoryLimits(clock)
    level = Level("m", rpm=rpm, algorithm=algorithm)
    for _ in range(calls):
        got = limits.take_now((level,), 0)
        if isinstance(got, Refusal):
            assert got.wait_s is not None
            clock.now += got.wait_s
            got = limits.take_now((level,), 0)
        assert isinstance(got, Grant)


@given(st.lists(st.sampled_from(["take", "end"]), max_size=100), st.integers(1, 5), st.integers(1, 5))
def test_concurrency_holds_at_every_level_and_refusal_takes_nothing(steps: list[str], outer: int, inner: int) -> None:
    limits = MemoryLimits(Clock())
    levels = (Level("group", concurrency=outer), Level("model", concurrency=inner))
    running: list[Grant] = []
    for step in steps:
        if step == "take":
            got = limits.take_now(levels, 0)
            if isinstance(got, Grant):
                running.append(got)
            else:
                assert len(running) == min(outer, inner)
        elif running:
            limits.settle(running.pop(), 0)
        assert {s["active"] for s in limits.status(levels).values()} == {len(running)}


def test_one_full_level_leaves_the_others_untouched() -> None:
    limits = MemoryLimits(Clock())
    full, free = Level("full", concurrency=1), Level("free", concurrency=5, rpm=5, tpm=50)
    assert isinstance(limits.take_now((full,), 0), Grant)
    refusal = limits.take_now((free, full), 10)
    assert refusal == Refusal(("full",), None)
    assert limits.status([free])["free"]["requests_in_window"] == 0


def test_a_call_that_never_happened_counts_nowhere() -> None:
    limits = MemoryLimits(Clock())
    level = Level("m", concurrency=1, rpm=1, tpm=10)
    for _ in range(5):
        grant = limits.take_now((level,), 10)
        assert isinstance(grant, Grant)
        limits.settle(grant, 0, made=False)
    status = limits.status([level])["m"]
    assert (status["active"], status["requests_in_window"], status["tokens_in_window"]) == (0, 0, 0)


def test_settling_twice_frees_one_place() -> None:
    limits = MemoryLimits(Clock())
    level = Level("m", concurrency=2)
    first, _ = limits.take_now((level,), 0), limits.take_now((level,), 0)
    assert isinstance(first, Grant)
    limits.settle(first, 0)
    limits.settle(first, 0)
    assert limits.status([level])["m"]["active"] == 1


def test_more_tokens_than_reserved_are_charged() -> None:
    limits = MemoryLimits(Clock())
    level = Level("m", tpm=100)
    grant = limits.take_now((level,), 10)
    assert isinstance(grant, Grant)
    limits.settle(grant, 95)
    assert isinstance(limits.take_now((level,), 10), Refusal)


def test_a_lower_limit_from_a_reload_holds_at_once_and_counts_go_on() -> None:
    limits = MemoryLimits(Clock())
    for _ in range(5):
        limits.take_now((Level("m", rpm=10),), 0)
    assert isinstance(limits.take_now((Level("m", rpm=5),), 0), Refusal)
    assert isinstance(limits.take_now((Level("m", rpm=6),), 0), Grant)


@pytest.mark.parametrize("algorithm", ["sliding_window", "token_bucket"])
def test_levels_that_a_reload_dropped_are_forgotten_once_they_are_idle(algorithm: str) -> None:
    clock = Clock()
    limits = MemoryLimits(clock)
    level = Level("gone", concurrency=1, rpm=2, algorithm=algorithm)
    grant = limits.take_now((level,), 0)
    assert isinstance(grant, Grant)
    limits.forget_all_but(set())
    limits.settle(grant, 0)
    limits.forget_all_but(set())
    assert limits.status([level])["gone"]["requests_in_window"] == 1, "a spent limit must not be new after a reload"
    clock.now += 3600
    limits.forget_all_but(set())
    sizes: dict[str, int] = defaultdict(int, {"levels": len(limits._counts)})
    assert sizes["levels"] == 0


@given(st.lists(st.sampled_from(["sliding_window", "token_bucket"]), max_size=20))
def test_another_algorithm_does_not_give_a_spent_limit_back(algorithms: list[str]) -> None:
    limits = MemoryLimits(Clock())
    grants = []
    for algorithm in algorithms:
        got = limits.take_now((Level("m", rpm=5, tpm=100, algorithm=algorithm),), 10)
        if isinstance(got, Grant):
            grants.append(got)
    assert len(grants) == min(5, len(algorithms))
    for grant in grants:
        limits.settle(grant, 10)
