"""Full groups: their requests wait, or go where a fallback would go. What is refused is kept with its reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import FellBack, Queued
from tests.support.gateways import ActingSource, Gate, ask, asking, failure, gateway_of, of, text_of

FULL = """
task_groups:
  g:
    when_full: next
    echelon1: {models: [a], concurrency_limit: 1, timeout: 20}
    echelon2: {models: [b], concurrency_limit: 1}
"""


async def test_a_full_echelon_waits_by_default(tmp_path: Path) -> None:
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    async with gateway_of(FULL.replace("next", "wait"), tmp_path, source) as gateway:
        first = asyncio.create_task(ask(gateway, "g"))
        await gate.has_entered()
        waiting = gateway.stream("g", asking())
        assert isinstance(await anext(waiting), Queued)
        gate.opened.set()
        assert text_of([event async for event in waiting]) == "I am a"
        await first
    assert source.asked == ["a", "a"]


async def test_a_full_echelon_overflows_into_the_next_where_the_group_says_so(tmp_path: Path) -> None:
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    async with gateway_of(FULL, tmp_path, source) as gateway:
        first = asyncio.create_task(ask(gateway, "g"))
        await gate.has_entered()
        events = await ask(gateway, "g")
        gate.opened.set()
        await first
        assert gateway.get_statistics()["fallbacks"] == {"echelon_down": 1}
        assert text_of(await ask(gateway, "g")) == "I am a", "there is room again"
    assert text_of(events) == "I am b"
    assert [(e.from_model, e.to_model, e.error_type) for e in of(events, FellBack)] == [
        ("a", "b", "LimitExceededError")
    ]


async def test_when_all_is_full_whichever_is_free_first_answers(tmp_path: Path) -> None:
    source, first, second = ActingSource(), Gate(), Gate()
    source.script("a", first)
    source.script("b", second)
    async with gateway_of(FULL, tmp_path, source) as gateway:
        running = [asyncio.create_task(ask(gateway, "g")) for _ in range(2)]
        await first.has_entered()
        await second.has_entered()
        third = gateway.stream("g", asking())
        assert isinstance(await anext(third), Queued)
        second.opened.set()
        assert text_of([event async for event in third]) == "I am b"
        first.opened.set()
        await asyncio.gather(*running)


async def test_a_full_queue_leaves_other_groups_alone(tmp_path: Path) -> None:
    config = """
gateway: {queue_size: 1}
task_groups:
  one: {e: {models: [a], concurrency_limit: 1, timeout: 20}}
  two: {e: {models: [b], concurrency_limit: 1, timeout: 20}}
"""
    source, gates = ActingSource(), {"a": Gate(), "b": Gate()}
    async with gateway_of(config, tmp_path, source) as gateway:
        running = []
        for group, model in (("one", "a"), ("two", "b")):
            source.script(model, gates[model])
            running.append(asyncio.create_task(ask(gateway, group)))
            await gates[model].has_entered()
        waiting = gateway.stream("one", asking())
        assert isinstance(await anext(waiting), Queued)
        assert failure(await ask(gateway, "one")) == "QueueFullError"
        other = gateway.stream("two", asking())
        assert isinstance(await anext(other), Queued)
        for gate in gates.values():
            gate.opened.set()
        for stream in (waiting, other):
            assert [event async for event in stream]
        await asyncio.gather(*running)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("QueueFullError", "queue_size: 0"), ("DeadlineExceededError", "queue_size: 5"), ("CircuitOpenError", "")],
)
async def test_a_request_that_no_model_was_asked_for_is_kept_with_its_reason(
    tmp_path: Path, kind: str, settings: str
) -> None:
    config = f"""
gateway: {{{settings}}}
task_groups: {{g: {{e: {{models: [a], concurrency_limit: 1}}}}}}
nodes: {{n: {{config: {{llm_group: g.e, timeout: 0.05}}}}}}
"""
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    async with gateway_of(config, tmp_path, source) as gateway:
        first = asyncio.create_task(ask(gateway, "g"))
        await gate.has_entered()
        if not settings:
            gateway.open_breaker("a")
        events = await ask(gateway, "n")
        record = gateway.get_history()[0]
        gate.opened.set()
        await first
        assert gateway.get_statistics()["errors"] == {kind: 1}
        assert b'mlc_gateway_attempts_total{model="a",outcome="refused"} 1.0' in gateway.parts.metrics.render()
    assert failure(events) == kind
    told = {name: record[name] for name in ("asked", "target", "model", "outcome", "error_type", "number")}
    assert told == {"asked": "n", "target": "g.e", "model": "a", "outcome": "refused", "error_type": kind, "number": 0}
    assert record["message"] == events[-1].message  # type: ignore[attr-defined]
