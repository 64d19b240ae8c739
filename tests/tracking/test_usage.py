from __future__ import annotations

import asyncio
from typing import Any

import pytest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.tracking.usage import MAX_WAITING, UsageRecord, UsageWriter


def asked(
    at: float, caller: str = "", model: str = "m", latency_s: float = 1.0, status: int = 200, **more: Any
) -> UsageRecord:
    return UsageRecord(
        at=at, caller=caller, model=model, path="/chat/completions", status=status, latency_s=latency_s, **more
    )


def test_totals_are_by_caller_and_model_with_latencies(store: Store) -> None:
    begin = now() - 1000
    rows = [asked(begin + n, "k1", "a", float(n), prompt_tokens=10, micro_usd=5) for n in range(1, 101)]
    store.usage.add([*rows, asked(begin + 5, "k2", "b"), asked(begin + 6, "k1", "a", 500.0, status=500)])
    first, second = store.usage.totals(begin)
    assert (first.caller, first.model, first.requests, first.failed) == ("k1", "a", 101, 1)
    assert (first.prompt_tokens, first.micro_usd, first.p50_s, first.p95_s) == (1000, 500, 50.0, 95.0)
    assert (second.caller, second.requests, second.unpriced, second.p50_s) == ("k2", 1, 1, 1.0)
    assert store.usage.totals(begin + 2000) == []


def test_over_time_each_stretch_has_its_own(store: Store) -> None:
    begin = float(int(now()) - 7200)
    store.usage.add([asked(begin + 10), asked(begin + 20, model="n"), asked(begin + 3700), asked(begin + 3800)])
    found = store.usage.over_time(begin, begin + 7200, 3600, "model")
    assert [(one.begins_at - begin, one.model, one.requests) for one in found] == [
        (0, "m", 1),
        (0, "n", 1),
        (3600, "m", 2),
    ]


def test_a_key_that_asked_says_when(store: Store) -> None:
    key, _ = store.api_keys.create("one")
    store.usage.add([asked(50.0, key.id), asked(40.0, key.id), asked(60.0, "jwt:ann"), asked(70.0, "\ud800", "\0")])
    found = store.api_keys.get(key.id)
    assert found is not None and found.last_used_at == 50.0


def test_what_is_old_is_deleted(store: Store) -> None:
    store.usage.add([asked(now() - 100), asked(now() - 10)])
    assert store.usage.prune(50) == 1
    assert len(store.usage.totals(0)) == 1 and store.usage.totals(0)[0].requests == 1


async def test_rows_are_written_together_and_the_rest_at_the_end(store: Store) -> None:
    writer = UsageWriter(store.usage, 90)
    for number in range(500):
        writer.add(asked(now(), model=f"m{number % 2}"))
    await writer.aclose()
    assert [one.requests for one in store.usage.totals(0)] == [250, 250]
    await writer.aclose()


async def test_a_database_that_takes_none_for_a_while_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.tracking.usage.WRITE_EVERY_S", 0.01)
    add, tried = store.usage.add, 0

    def failing(records: Any) -> None:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise StoreError("the disk is full")
        add(records)

    monkeypatch.setattr(store.usage, "add", failing)
    writer = UsageWriter(store.usage, 90)
    writer.add(asked(now()))
    while tried < 3:
        await asyncio.sleep(0.01)
    writer.add(asked(now()))
    await writer.aclose()
    assert store.usage.totals(0)[0].requests == 2


async def test_what_waits_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("multi_llm_comparator.tracking.usage.MAX_WAITING", 10)
    assert MAX_WAITING > 10
    writer = UsageWriter(store.usage, 90)
    for _ in range(15):
        writer.add(asked(now()))
    await writer.aclose()
    assert store.usage.totals(0)[0].requests == 10
    assert "5 requests was lost" in caplog.text


@pytest.fixture(autouse=True)
def _no_old_rows(store: Store) -> None:
    store.usage.prune(-1e9)
