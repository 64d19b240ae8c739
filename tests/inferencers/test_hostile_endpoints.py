"""Endpoints that attack whoever reads their answers: bombs, floods, and keys of ours among the words."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib

import pytest

from multi_llm_comparator.core import bounded_http
from multi_llm_comparator.core.events import Event, TextDelta, ThoughtDelta
from multi_llm_comparator.core.exceptions import ProviderUnavailableError, RateLimitedError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.openai_api import OpenAIEndpoint
from tests.support.scripted_openai_server import KEY, Act, ScriptedServer


def asking() -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", "hi"),))


async def collect(endpoint: OpenAIEndpoint, request: GenerationRequest) -> list[Event]:
    return [event async for event in endpoint.stream(request)]


def text_of(events: list[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta | ThoughtDelta))


async def test_an_endless_answer_is_ended(
    server: ScriptedServer, endpoint: OpenAIEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "MAX_ANSWER_BYTES", 10_000)
    server.script("m", Act(text="x " * 1000))
    with pytest.raises(ProviderUnavailableError, match="longer than"):
        await collect(endpoint, asking())


def packed(pattern: bytes, megabytes: int, *, twice: bool = False) -> bytes:
    """Gzip of so much of ``pattern``, made without having it whole."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    block = pattern * ((1 << 20) // len(pattern))
    data = b"".join([*(packer.compress(block) for _ in range(megabytes)), packer.flush()])
    return gzip.compress(data) if twice else data


GZIP = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (b"x", "one event of the answer is longer"),
        (b":" + b"x" * 100_000 + b"\n\n", "longer than 33554432"),
        (b": alive\n\n", "more than 500000 lines"),
        (b"\r\n", "more than 500000 lines"),
    ],
    ids=["one line", "long events", "many events", "blank lines"],
)
async def test_a_packed_answer_is_counted_as_it_unpacks_and_others_get_their_turn_meanwhile(
    server: ScriptedServer, endpoint: OpenAIEndpoint, pattern: bytes, said: str
) -> None:
    server.script("m", Act("raw", status=200, headers=GZIP, payload=packed(pattern, 100)))
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(somebody_else())
    tracemalloc.start()
    with pytest.raises(ProviderUnavailableError, match=said):
        await collect(endpoint, asking())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    other.cancel()
    assert peak < 40 << 20
    assert turns >= 100


async def test_a_packed_answer_of_ordinary_size_is_read(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    chunk = {"choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(chunk)}\r\n\r\ndata: [DONE]\r\n\r\n".encode()
    for name, data in {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "identity": body}.items():
        server.script("m", Act("raw", status=200, headers={"Content-Encoding": name}, payload=data))
        assert text_of(await collect(endpoint, asking())) == "hello"
    assert server.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "nonsense"])
async def test_an_encoding_that_is_not_read_is_refused(
    server: ScriptedServer, endpoint: OpenAIEndpoint, encoding: str
) -> None:
    data = packed(b"x", 10, twice=True)
    server.script("m", Act("raw", status=200, headers={"Content-Encoding": encoding}, payload=data))
    with pytest.raises(ProviderUnavailableError, match=f"encoded as '{encoding}', which is not read"):
        await collect(endpoint, asking())


async def test_what_is_no_gzip_is_named(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act("raw", status=200, headers=GZIP, payload=b"no gzip at all"))
    with pytest.raises(ProviderUnavailableError, match="cannot be decoded"):
        await collect(endpoint, asking())


async def test_an_error_as_long_as_a_book_is_still_that_error(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act("raw", status=429, headers={**GZIP, "Retry-After": "3"}, payload=packed(b"x", 100)))
    with pytest.raises(RateLimitedError) as caught:
        await collect(endpoint, asking())
    assert caught.value.retry_after_s == 3
    assert len(str(caught.value)) < 1000


async def test_a_list_of_models_is_bounded_too(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.models = Act("raw", status=200, headers=GZIP, payload=packed(b"x", 100))
    with pytest.raises(ProviderUnavailableError, match="longer than 4194304 bytes"):
        await endpoint.check()


@pytest.mark.parametrize(
    "payload",
    [b"data: " + b"[" * 100_000 + b"\n\n", b'data: {"choices": ' + b"[" * 100_000 + b"\n\n"],
    ids=["lists in lists", "choices in choices"],
)
async def test_what_is_nested_too_deep_is_the_endpoints_fault(
    server: ScriptedServer, endpoint: OpenAIEndpoint, payload: bytes
) -> None:
    server.script("m", Act("raw", status=200, payload=payload))
    with pytest.raises(ProviderUnavailableError):
        await collect(endpoint, asking())


async def test_endless_headers_are_refused(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    server.script("m", Act("raw", status=200, headers={"X": "a" * (1 << 20)}))
    with pytest.raises(ProviderUnavailableError):
        await collect(endpoint, asking())


async def test_a_key_in_an_answer_or_in_its_thoughts_is_masked_however_it_is_cut(
    server: ScriptedServer, endpoint: OpenAIEndpoint
) -> None:
    server.script("m", Act(text=f"it is {KEY[:9]} {KEY} and {KEY[:20]}", reasoning=f"say {KEY}"))
    text = text_of(await collect(endpoint, asking()))
    assert KEY[:12] not in text
    assert text == f"say[key]it is {KEY[:9]} [key] and [key]"


async def test_a_key_where_a_number_belongs_is_masked(server: ScriptedServer, endpoint: OpenAIEndpoint) -> None:
    usage = {"prompt_tokens": KEY, "completion_tokens": 1, "total_tokens": 2}
    body = f"data: {json.dumps({'choices': [], 'usage': usage})}\n\n".encode()
    server.script("m", Act("raw", status=200, payload=body))
    with pytest.raises(ProviderUnavailableError) as caught:
        await collect(endpoint, asking())
    assert KEY not in str(caught.value)
    assert "[key]" in str(caught.value)
