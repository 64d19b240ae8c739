"""One local model asked by its own name: it answers or fails plainly, and nothing keeps it from being asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import Attempted, Cost, Event, FellBack, Finished, Started
from multi_llm_comparator.core.exceptions import ModelProcessDied
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups import FreshAnswers
from tests.support.gateways import (
    ActingSource,
    answer,
    ask,
    asking,
    break_after_text,
    failure,
    gateway_of,
    of,
    text_of,
)

DIED = ModelProcessDied("its process was killed")
CONFIG = """
gateway: {retry_wait_s: 0, total_timeout_s: 0.05, breaker: {failure_threshold: 1}}
models: {declared: {concurrency_limit: 1}, elsewhere: {base_url: "http://127.0.0.1:9/v1"}, alias: {local: other}}
task_groups: {g: {e: {models: [m], max_retries: 0}}, declared_group: {e: {models: [declared]}}}
nodes: {node: {config: {llm_group: m}}}
"""


@pytest.mark.parametrize("target", ["m", "declared", "not mentioned"])
async def test_a_failure_is_the_models_own_and_the_next_request_reaches_it(tmp_path: Path, target: str) -> None:
    source = ActingSource()
    source.script(target, *[DIED] * 5)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        for _ in range(5):
            events = await ask(gateway, target)
            assert failure(events) == "ModelProcessDied"
            assert "its process was killed" in events[-1].message  # type: ignore[attr-defined]
        assert text_of(await ask(gateway, target)) == f"I am {target}"
    assert source.asked == [target] * 6


async def test_it_neither_asks_nor_tells_the_breaker_of_its_groups(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("m", DIED, DIED)
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        await ask(gateway, "m")
        assert gateway.get_status()["breakers"]["m"]["failures"] == 0
        assert failure(await ask(gateway, "g")) == "ModelProcessDied"
        assert failure(await ask(gateway, "g")) == "CircuitOpenError"
        assert failure(await ask(gateway, "m")) is None


async def test_a_long_answer_is_not_cut_by_the_deadline_for_requests(tmp_path: Path) -> None:
    async def long(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0.1)
        async for event in answer(request, "a long answer"):
            yield event

    source = ActingSource()
    source.usual["m"] = long
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert failure(await ask(gateway, "g")) == "DeadlineExceededError"
        assert text_of(await ask(gateway, "m")) == "a long answer"


@pytest.mark.parametrize("target", ["node", "g"])
async def test_whatever_has_a_configuration_of_its_own_has_a_breaker(tmp_path: Path, target: str) -> None:
    source = ActingSource()
    source.usual["m"] = DIED
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        await ask(gateway, target)
        assert failure(await ask(gateway, target)) == "CircuitOpenError"


async def test_with_something_to_fall_back_to_it_is_a_group_like_any_other(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["m"] = DIED
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        events = await ask(gateway, "m", fallback_groups=["spare"])
        assert text_of(events) == "I am spare"
        assert of(events, FellBack)
        assert gateway.get_status()["breakers"]["m"]["state"] == "open"


async def test_what_the_model_said_of_the_prompt_stays_when_it_dies_in_mid_answer(tmp_path: Path) -> None:
    async def dies(request: GenerationRequest) -> AsyncGenerator[Event, None]:
        yield Started(request_id=request.id, prompt_tokens=41)
        async for event in break_after_text(DIED)(request):  # type: ignore[operator]
            yield event

    source = ActingSource()
    source.usual["m"] = dies
    async with gateway_of(CONFIG, tmp_path, source) as gateway:
        assert of(await ask(gateway, "m"), Cost)[0].prompt_tokens == 41


NAMES = {"1a": "m", "2b": "declared", "3c": "elsewhere", "4d": "alias", "5e": "g", "6f": "node", "7a": "g.e"}


@pytest.mark.parametrize(
    ("model_id", "known_as"), [("1a", "m"), ("2b", "declared"), *((i, i) for i in list(NAMES)[2:])]
)
async def test_an_id_counts_as_the_name_unless_that_means_something_else(
    tmp_path: Path, model_id: str, known_as: str
) -> None:
    source = ActingSource()
    async with gateway_of(CONFIG, tmp_path, source, local_names=lambda target: NAMES.get(target, target)) as gateway:
        assert of(await ask(gateway, model_id), Attempted)[0].model == known_as
    assert source.asked == [known_as]


async def test_who_measures_gets_no_answer_from_the_cache_and_leaves_none_there(tmp_path: Path) -> None:
    source = ActingSource()
    async with gateway_of("gateway: {cache: {enabled: true}}", tmp_path, source) as gateway:
        fresh = FreshAnswers(gateway)
        for _ in range(2):
            events = [event async for event in fresh.stream("m", asking())]
            assert isinstance(events[-1], Finished)
        await ask(gateway, "m")
        await ask(gateway, "m")
    assert source.asked == ["m"] * 3
