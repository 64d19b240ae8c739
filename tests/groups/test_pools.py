"""Pools: fair turns, and models that leave the rotation and come back by themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core.exceptions import ConfigurationError, ProviderUnavailableError
from multi_llm_comparator.groups import Gateway, TaskGroupManager, register_scheduler
from multi_llm_comparator.groups.config_loader import parse_config
from multi_llm_comparator.groups.health import MAX_REST_S
from multi_llm_comparator.groups.schedulers import Instance, LeastUsed, RoundRobin, Weighted
from tests.support.gateways import ActingSource, Gate, Given, ask, gateway_of, text_of
from tests.support.scripted_openai_server import Act, ScriptedServer

DOWN = ProviderUnavailableError("down")


def pool_config(strategy: str = "round_robin", **models: dict[str, object]) -> dict[str, object]:
    return {
        "gateway": {"retry_wait_s": 0},
        "models": models,
        "task_groups": {"g": {"e": {"models": ["a", "b", "c"], "max_retries": 0}}},
        "polling_pools": {"p": {"task_groups": ["g"], "rotation_strategy": strategy, "health_check_interval": 0.02}},
    }


@given(st.lists(st.frozensets(st.sampled_from("abcd"), min_size=1), max_size=200))
def test_round_robin_gives_nobody_two_turns_while_another_waits(available: list[frozenset[str]]) -> None:
    scheduler, instances = RoundRobin(), {name: Instance(name) for name in "abcd"}
    waited: Counter[str] = Counter()
    for names in available:
        order = scheduler.order([instances[name] for name in sorted(names)])
        assert {i.model for i in order} == names
        for instance in order[1:]:
            waited[instance.model] += 1
            assert waited[instance.model] <= 3, "passed over more often than there are others"
        waited[order[0].model] = 0


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 5))
def test_weighted_turns_are_exactly_in_proportion(weights: list[int], rounds: int) -> None:
    scheduler = Weighted()
    instances = [Instance(str(number), weight) for number, weight in enumerate(weights)]
    turns = Counter(scheduler.order(instances)[0].model for _ in range(rounds * sum(weights)))
    assert turns == {i.model: i.weight * rounds for i in instances}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50), st.integers(1, 5)), min_size=1, max_size=6))
def test_least_used_prefers_the_idle_for_their_weight(states: list[tuple[int, int, int]]) -> None:
    instances = [Instance(str(n), weight, active, turns=used) for n, (active, used, weight) in enumerate(states)]
    first = LeastUsed().order(instances)[0]
    assert first.active / first.weight == min(i.active / i.weight for i in instances)


async def test_a_pool_spreads_requests_evenly(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(pool_config(), tmp_path, source) as gateway:
        for _ in range(30):
            await ask(gateway, "g")
    assert Counter(source.asked) == {"a": 10, "b": 10, "c": 10}


async def test_weights_come_from_the_models(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(pool_config("weighted", a={"weight": 3}), tmp_path, source) as gateway:
        for _ in range(50):
            await ask(gateway, "g")
    assert Counter(source.asked) == {"a": 30, "b": 10, "c": 10}


async def test_the_busy_are_left_alone(tmp_path: Path) -> None:
    source, gate = ActingSource(), Gate()
    source.script("a", gate)
    async with gateway_of(pool_config("least_used"), tmp_path, source) as gateway:
        slow = asyncio.create_task(ask(gateway, "g"))
        await gate.has_entered()
        for _ in range(6):
            await ask(gateway, "g")
        assert gateway.get_status()["pools"]["p"]["instances"]["a"]["active"] == 1
        gate.opened.set()
        await slow
    assert Counter(source.asked) == {"a": 1, "b": 3, "c": 3}


async def test_a_pool_is_a_target_itself(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of(pool_config(), tmp_path, source) as gateway:
        for _ in range(6):
            await ask(gateway, "p")
    assert Counter(source.asked) == {"a": 2, "b": 2, "c": 2}


async def test_a_model_that_fails_leaves_the_rotation_and_comes_back(tmp_path: Path) -> None:
    now = 1000.0
    source = ActingSource()
    source.usual["b"] = DOWN
    async with gateway_of(pool_config(), tmp_path, source, clock=lambda: now) as gateway:
        for _ in range(30):
            await ask(gateway, "g")
        assert source.asked.count("b") == 3, "the breaker opens at the third failure in a row"
        del source.usual["b"]
        now += 30
        source.asked.clear()
        for _ in range(30):
            await ask(gateway, "g")
    assert source.asked.count("b") >= 10


async def test_failed_health_checks_take_a_model_out_and_a_passed_one_back(tmp_path: Path) -> None:
    async with ScriptedServer() as server:
        config = pool_config(a={"base_url": server.url}, b={"base_url": server.url})
        async with gateway_of(config, tmp_path) as gateway:
            server.models_status = 500
            await gateway.start()
            pool = gateway.parts.pools.get_pool("p")

            async def until(out: bool) -> None:
                async with asyncio.timeout(20):
                    while any((pool.get_status()["instances"][m]["out"] is not None) != out for m in "ab"):
                        await asyncio.sleep(0.01)

            await until(out=True)
            assert "health checks in a row failed" in gateway.get_status()["models"]["a"]["out"]
            assert gateway.get_status()["models"]["c"]["out"] is None, "a local model is not checked over HTTP"
            await ask(gateway, "g")
            assert server.received == []
            server.models_status = 200
            await until(out=False)
            server.usual["a"] = Act(text="well again")
            for _ in range(3):
                await ask(gateway, "g")
            assert {r.model for r in server.received} == {"a", "b"}


async def test_another_scheduler_is_one_class(tmp_path: Path) -> None:
    class Backwards:
        def order(self, instances: Sequence[Instance]) -> list[Instance]:
            return list(instances)[::-1]

    register_scheduler("backwards", Backwards)
    source = ActingSource()
    source.usual["c"] = DOWN
    async with gateway_of(pool_config("backwards"), tmp_path, source) as gateway:
        assert text_of(await ask(gateway, "g")) == "I am b"
    assert source.asked == ["c", "b"]


def test_an_unknown_way_of_taking_turns_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="must be one of round_robin, least_used, weighted"):
        parse_config(pool_config("by_chance"))


async def test_a_new_model_takes_its_part_and_makes_up_for_nothing(tmp_path: Path) -> None:
    given = Given(pool_config("least_used"))
    source = ActingSource()
    gateway = Gateway(TaskGroupManager(given), source, folder=tmp_path)
    for _ in range(30):
        await ask(gateway, "g")
    given.data["task_groups"]["g"]["e"]["models"].append("new")
    assert gateway.groups.reload()
    source.asked.clear()
    for _ in range(40):
        await ask(gateway, "g")
    assert all(9 <= source.asked.count(model) <= 11 for model in ("a", "b", "c", "new"))
    await gateway.aclose()


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_an_endpoint_without_a_list_of_models_cannot_be_checked_and_stays(tmp_path: Path, status: int) -> None:
    assert await checked(tmp_path, status, times=5) is None


async def test_an_endpoint_too_busy_to_be_checked_stays(tmp_path: Path) -> None:
    assert await checked(tmp_path, 429, times=5) is None


async def checked(folder: Path, status: int, times: int) -> str | None:
    """Why a model is out whose endpoint answered so many health checks with ``status``."""
    async with ScriptedServer() as server, gateway_of(pool_config(a={"base_url": server.url}), folder) as gateway:
        server.models_status = status
        for _ in range(times):
            await gateway.parts.pools.get_pool("p").check_health(gateway._check_health)
        return gateway.parts.why_out("a")


async def test_a_model_that_failed_its_checks_is_back_once_nobody_checks_it(tmp_path: Path) -> None:
    given = Given(pool_config())
    gateway = Gateway(TaskGroupManager(given), ActingSource(), folder=tmp_path)
    for model in "ab":
        gateway.parts.health.check_failed(model, DOWN, unhealthy_after=1)
    gateway.reset_breaker("b")
    assert gateway.parts.why_out("a") is not None
    assert gateway.parts.why_out("b") is None, "by hand"
    del given.data["polling_pools"]
    assert gateway.groups.reload()
    assert gateway.parts.why_out("a") is None
    await gateway.aclose()


async def test_a_rest_is_bounded_and_can_be_ended_by_hand(tmp_path: Path) -> None:
    async with gateway_of("{}", tmp_path) as gateway:
        gateway.parts.health.rest("m", 1e9)
        assert gateway.parts.health.rest_left_s("m") <= MAX_REST_S
        gateway.reset_breaker("m")
        assert gateway.parts.why_out("m") is None
