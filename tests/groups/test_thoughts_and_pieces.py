"""Thoughts and token pieces on their way through the gateway: kept whole; and from when nobody else may answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import (
    CacheHit,
    Event,
    Failed,
    FellBack,
    Finished,
    Started,
    TextDelta,
    ThoughtDelta,
)
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.token_pieces import TokenPiece
from tests.support.gateways import ActingSource, ask, asking, gateway_of, of, text_of

CACHED = "gateway: {cache: {enabled: true}}"
PIECE = TokenPiece(1, "yes", (121, 101, 115), -0.5)


async def thinks(request: GenerationRequest) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request.id, prompt_tokens=3)
    yield ThoughtDelta(request_id=request.id, text="hm", tokens=2)
    pieces = () if request.config.top_logprobs is None else (PIECE,)
    yield TextDelta(request_id=request.id, text="yes", tokens=3, pieces=pieces)
    yield Finished(request_id=request.id, reason="stop", prompt_tokens=3, completion_tokens=3)


async def breaks_while_it_thinks(request: GenerationRequest) -> AsyncGenerator[Event, None]:
    yield ThoughtDelta(request_id=request.id, text="hm", tokens=1)
    raise ProviderUnavailableError("gone")


async def test_a_kept_answer_has_its_thought(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("m", thinks)
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        await ask(gateway, "m")
        again = await ask(gateway, "m")
    assert of(again, CacheHit)
    (thought,) = of(again, ThoughtDelta)
    assert (thought.text, thought.tokens, text_of(again)) == ("hm", 2, "yes")
    assert source.asked == ["m"]


async def test_an_answer_with_pieces_is_written_each_time_and_reaches_who_asked(tmp_path: Path) -> None:
    source = ActingSource()
    source.usual["m"] = thinks
    wanted = replace(asking("hi"), config=ModelConfig(top_logprobs=0))
    async with gateway_of(CACHED, tmp_path, source) as gateway:
        await ask(gateway, "m", asking("hi"))
        for number in ("1", "2"):
            events = await ask(gateway, "m", replace(wanted, id=number))
            assert not of(events, CacheHit)
            assert [piece for event in of(events, TextDelta) for piece in event.pieces] == [PIECE]


async def test_nobody_else_answers_once_a_model_has_begun_to_think(tmp_path: Path) -> None:
    source = ActingSource()
    source.script("a", breaks_while_it_thinks)
    config = {"task_groups": {"g": {"e": {"models": ["a", "b"]}}}}
    async with gateway_of(config, tmp_path, source) as gateway:
        events = await ask(gateway, "g")
    assert source.asked == ["a"]
    assert not of(events, FellBack)
    assert of(events, Failed)
