"""The reader of endpoints and of the Hub: what is within its bounds comes through unchanged, however it is cut."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterator

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.core import bounded_http
from multi_llm_comparator.core.bounded_http import RefusedAnswerError, bound_answer, bound_listing

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": lambda data: data,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
# Long runs make the unpacker hold output back although it has read all its input.
DATA = st.lists(st.tuples(st.binary(min_size=1, max_size=3), st.integers(1, 30_000)), max_size=4).map(
    lambda runs: b"".join(pattern * times for pattern, times in runs)
)


class Arriving(httpx2.AsyncByteStream, httpx2.SyncByteStream):
    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


def answering(
    parts: list[bytes], encoding: str = "identity", method: str = "GET", status: int = 200
) -> httpx2.Response:
    request = httpx2.Request(method, "http://127.0.0.1/")
    headers = {"Content-Encoding": encoding}
    return httpx2.Response(status, headers=headers, stream=Arriving(parts), request=request)


async def read(response: httpx2.Response) -> bytes:
    await bound_answer(response)
    return await response.aread()


@given(DATA, st.sampled_from(sorted(PACKERS)), st.integers(1, 5000))
def test_what_is_within_the_bounds_comes_through_however_it_is_cut(data: bytes, encoding: str, size: int) -> None:
    packed = PACKERS[encoding](data)
    # A hundred thousand pieces of a byte each would say no more than a thousand do.
    size = max(size, len(packed) // 1000)
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    assert asyncio.run(read(answering(parts, encoding))) == data
    listed = answering(parts, encoding)
    bound_listing(listed)
    assert listed.read() == data


def test_nothing_is_lost_that_the_unpacker_held_back_at_a_pieces_end() -> None:
    for size in range(bounded_http.PIECE_BYTES - 3, bounded_http.PIECE_BYTES + 300):
        for ending in (None, -8):  # whole, and without the trailer that would bring the rest out
            packed = gzip.compress(b"x" * size)[:ending]
            assert len(asyncio.run(read(answering([packed], "gzip")))) == size


@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n"])
@pytest.mark.parametrize("cut", range(1, 6))
def test_an_event_ends_at_a_blank_line_wherever_that_is_cut(
    end: bytes, cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_http, "MAX_EVENT_BYTES", 100)
    stream = (b"x" * 90 + end) * 5
    parts = [stream[start : start + cut] for start in range(0, len(stream), cut)]
    assert asyncio.run(read(answering(parts, method="POST"))) == stream
    with pytest.raises(RefusedAnswerError, match="one event"):
        asyncio.run(read(answering([b"x" * 90 + b"\r\n" + b"y" * 90], method="POST")))


def test_the_body_of_an_error_is_cut_and_not_refused() -> None:
    long = b"x" * (bounded_http.MAX_ERROR_BYTES + 1000)
    for encoding, pack in PACKERS.items():
        body = asyncio.run(read(answering([pack(long)], encoding, status=500)))
        assert body == long[: bounded_http.MAX_ERROR_BYTES]
