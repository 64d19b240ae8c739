"""The client for OpenAI-compatible endpoints against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import time

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Finished, TextDelta, ThoughtDelta
from multi_llm_comparator.core.exceptions import (
    ContextOverflowError,
    KeyRefusedError,
    MultiLLMError,
    ProviderUnavailableError,
    RateLimitedError,
    RequestRefusedError,
)
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint
from tests.support.scripted_openai_server import KEY, Act, ScriptedServer


def asking(text: str = "hi", **config: object) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig.from_dict(dict(config)))


async def collect(endpoint: OpenAIEndpoint, request: GenerationRequest) -> list[Event]:
    return [event async for event in endpoint.stream(request)]


def text_of(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


async def test_streams_text_and_takes_usage_from_the_stream(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    events = await collect(endpoint, asking())
    assert text_of(events) == "hello world"
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.prompt_tokens, last.completion_tokens) == ("stop", 7, 2)


async def test_sends_the_parameters_and_the_key(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    await collect(endpoint, asking(temperature=0, max_tokens=9, seed=5, stop=("x",), system_prompt="be kind"))
    body, headers = server.received[0].body, server.received[0].headers
    assert body["messages"][0] == {"role": "system", "content": "be kind"}
    sent = {name: body[name] for name in ("temperature", "max_tokens", "seed", "stop", "stream")}
    assert sent == {"temperature": 0.0, "max_tokens": 9, "seed": 5, "stop": ["x"], "stream": True}
    assert headers["authorization"] == f"Bearer {KEY}"


async def test_an_endpoint_that_takes_no_sampling_parameters_gets_none(server: ScriptedServer) -> None:
    options = EndpointOptions(base_url=server.url, model="m", sampling="none", max_tokens_field="max_completion_tokens")
    endpoint = OpenAIEndpoint(options)
    await collect(endpoint, asking(max_tokens=9))
    assert set(server.received[0].body) == {"model", "messages", "stream", "stream_options", "max_completion_tokens"}
    await endpoint.aclose()


async def test_thoughts_in_tags_of_the_text_are_told_apart_too(
    server: ScriptedServer, endpoint: OpenAIEndpoint
) -> None:
    server.script("m", Act(text="<think> two and two </think> four ."))
    events = await collect(endpoint, asking())
    assert text_of(events).split() == ["four", "."]
    assert "".join(event.text for event in events if isinstance(event, ThoughtDelta)).split() == ["two", "and", "two"]


async def test_thoughts_are_events_of_their_own(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act(text="four .", reasoning="two and two"))
    events = await collect(endpoint, asking())
    assert text_of(events) == "four ."
    assert "".join(event.text for event in events if isinstance(event, ThoughtDelta)) == "twoandtwo"
    assert isinstance(events[1], ThoughtDelta), "thoughts come before the answer"


async def test_a_proxy_of_the_environment_is_used(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/v1"))
    endpoint = OpenAIEndpoint(EndpointOptions(base_url="http://model.example/v1", model="m"))
    assert text_of(await collect(endpoint, asking())) == "hello world"
    assert server.received[0].headers["host"] == "model.example"
    await endpoint.aclose()


async def test_no_proxy_stands_between_here_and_this_machine(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m"))
    assert text_of(await collect(endpoint, asking())) == "hello world"
    await endpoint.aclose()


def test_a_proxy_that_cannot_be_used_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "gopher://me:secret@proxy.example")
    with pytest.raises(ProviderUnavailableError, match="HTTP_PROXY") as caught:
        OpenAIEndpoint(EndpointOptions(base_url="http://model.example/v1", model="m"))
    assert "secret" not in str(caught.value)


GOING_ON = GenerationRequest(messages=(Message("user", "hi"), Message("assistant", "hel")), continue_final=True)


@pytest.mark.parametrize("request_", [GOING_ON, GenerationRequest(messages=(Message("user", "x"),), raw=True)])
async def test_refuses_what_the_plain_api_cannot_do(
    server: ScriptedServer, endpoint: OpenAIEndpoint, request_: GenerationRequest
) -> None:
    with pytest.raises(RequestRefusedError, match="endpoint of 'm'"):
        await collect(endpoint, request_)
    assert server.received == []


async def test_an_extended_endpoint_goes_on_from_a_given_beginning(server: ScriptedServer) -> None:
    endpoint = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m", sampling="extended"))
    await collect(endpoint, GOING_ON)
    assert server.received[0].body["continue_final_message"] is True
    assert server.received[0].body["add_generation_prompt"] is False
    await endpoint.aclose()


async def test_sends_images_as_parts(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    image = "data:image/png;base64,AAAA"
    await collect(endpoint, GenerationRequest(messages=(Message("user", "what is it?", (image,)),)))
    assert server.received[0].body["messages"][0]["content"] == [
        {"type": "text", "text": "what is it?"},
        {"type": "image_url", "image_url": {"url": image}},
    ]


async def test_images_for_a_model_that_cannot_see_are_refused(server: ScriptedServer) -> None:
    blind = OpenAIEndpoint(EndpointOptions(base_url=server.url, model="m"))
    with pytest.raises(RequestRefusedError, match="vision"):
        await collect(blind, GenerationRequest(messages=(Message("user", "?", ("data:,",)),)))
    await blind.aclose()


OVERFLOW = {"message": "This model's maximum context length is 8 tokens", "code": "context_length_exceeded"}


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (Act("status", status=400), RequestRefusedError),
        (Act("status", status=422), RequestRefusedError),
        (Act("status", status=400, error=OVERFLOW), ContextOverflowError),
        (Act("status", status=401), KeyRefusedError),
        (Act("status", status=403), KeyRefusedError),
        (Act("status", status=404), ProviderUnavailableError),
        (Act("status", status=429), RateLimitedError),
        (Act("status", status=500), ProviderUnavailableError),
        (Act("status", status=503), ProviderUnavailableError),
        (Act("status", status=302, headers={"Location": "http://127.0.0.1:1/"}), ProviderUnavailableError),
        (Act("refuse"), ProviderUnavailableError),
        (Act("cut"), ProviderUnavailableError),
        (Act("cut_early"), ProviderUnavailableError),
        (Act("no_end"), ProviderUnavailableError),
        (Act("bad_json"), ProviderUnavailableError),
        (Act("no_chunk"), ProviderUnavailableError),
        (Act(finish_reason="content_filter"), RequestRefusedError),
    ],
)
async def test_each_fault_is_named(
    server: ScriptedServer, endpoint: OpenAIEndpoint, act: Act, expected: type[MultiLLMError]
) -> None:
    server.script("m", act)
    with pytest.raises(MultiLLMError) as caught:
        await collect(endpoint, asking())
    assert type(caught.value) is expected
    assert server.count("m") == 1, "the client must not retry by itself"


async def test_an_endpoint_that_is_not_there_is_unavailable() -> None:
    endpoint = OpenAIEndpoint(EndpointOptions(base_url="http://127.0.0.1:9/v1", model="m"))
    with pytest.raises(ProviderUnavailableError, match="'m'"):
        await collect(endpoint, asking())
    await endpoint.aclose()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "-5"}, 0.0),
        ({}, None),
    ],
)
async def test_reads_how_long_to_stay_away(
    server: ScriptedServer, endpoint: OpenAIEndpoint, headers: dict[str, str], expected: float | None
) -> None:
    server.script("m", Act("status", status=429, headers=headers))
    with pytest.raises(RateLimitedError) as caught:
        await collect(endpoint, asking())
    assert caught.value.retry_after_s == expected


async def test_reads_a_date_to_stay_away_until(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    server.script("m", Act("status", status=429, headers={"Retry-After": date}))
    with pytest.raises(RateLimitedError) as caught:
        await collect(endpoint, asking())
    assert caught.value.retry_after_s is not None
    assert 50 < caught.value.retry_after_s <= 100


async def test_closing_the_stream_closes_the_connection(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act("hang_after_text"))
    stream = endpoint.stream(asking())
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()
    async with asyncio.timeout(20):
        assert await server.closed_early.wait()


async def test_a_key_that_the_endpoint_repeats_shows_nowhere(
    server: ScriptedServer, endpoint: OpenAIEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script("m", Act("status", status=401, error={"message": f"Incorrect API key provided: {KEY}"}))
    with pytest.raises(KeyRefusedError) as caught:
        await collect(endpoint, asking())
    assert KEY not in str(caught.value)
    assert "[key]" in str(caught.value)
    assert caught.value.__cause__ is None
    assert KEY not in repr(endpoint) + repr(vars(endpoint)) + caplog.text


async def test_of_a_refusal_its_message_is_told_without_the_json_around_it(
    server: ScriptedServer, endpoint: OpenAIEndpoint
) -> None:
    server.script("m", Act("status", status=401, error={"message": "The key has expired.", "code": "invalid_api_key"}))
    with pytest.raises(KeyRefusedError, match=r"'m' at '.*': Error code: 401 - The key has expired\.$"):
        await collect(endpoint, asking())


async def test_halves_of_a_character_are_joined(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act(text="a\ud83d \ude00"))
    text = text_of(await collect(endpoint, asking()))
    assert text.encode("utf-8").decode() == text


async def test_a_health_check_asks_for_the_models(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    await endpoint.check()
    server.models_status = 404
    with pytest.raises(LookupError):
        await endpoint.check()
    server.models_status = 500
    with pytest.raises(ProviderUnavailableError):
        await endpoint.check()
