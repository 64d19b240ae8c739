"""Reading what a server answers when the server may be hostile: one reader, used for every endpoint and for the Hub.

An answer is counted as it is after decoding: a megabyte of gzip can be a gigabyte of text. Only gzip and deflate are
decoded, once, in small pieces. A stream is also bounded in its number of lines, and from one blank line to the next,
which is one event. The bodies of errors are cut: what is said of them is short, and their status must not be lost.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import httpx2

MAX_ANSWER_BYTES = 32 << 20
MAX_EVENT_BYTES = 1 << 20
# A token takes two or three.
MAX_LINES = 500_000
MAX_BODY_BYTES = 4 << 20
MAX_ERROR_BYTES = 64 << 10
# So much is decoded, and handed on, before anybody else gets a turn.
PIECE_BYTES = 8 << 10
# What a request's ``extensions`` say of one whose answer is a file that its reader counts.
IS_FILE = "mlc_is_file"
_EVENT_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LONGEST_END = 4


class RefusedAnswerError(httpx2.DecodingError):
    """An answer that is too long, or encoded in a way that is not read."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of an answer is read; ``event_bytes`` None means that it is no stream of events.

    One that ``is_cut`` ends at its bound, others are refused there.
    """

    total_bytes: int
    event_bytes: int | None = None
    is_cut: bool = False


async def bound_answer(response: httpx2.Response) -> None:
    """Bound an endpoint's answer; an event hook for ``httpx2.AsyncClient``.

    Raises:
        RefusedAnswerError: its encoding is refused.
    """
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = _AsyncBounded(response.stream, _Reader(response, _bounds_of(response)))


def bound_listing(response: httpx2.Response) -> None:
    """Bound whatever the Hub answers except files; an event hook for ``httpx2.Client``.

    Raises:
        RefusedAnswerError: its encoding is refused.
    """
    if response.request.extensions.get(IS_FILE) and response.is_success:
        if _encodings(response):
            raise RefusedAnswerError(f"the file came encoded as {_encodings(response)!r}, which was not asked for")
        return
    assert isinstance(response.stream, httpx2.SyncByteStream)
    bounds = Bounds(MAX_ANSWER_BYTES if response.is_success else MAX_ERROR_BYTES, is_cut=not response.is_success)
    response.stream = _Bounded(response.stream, _Reader(response, bounds))


def _bounds_of(response: httpx2.Response) -> Bounds:
    if not response.is_success:
        return Bounds(MAX_ERROR_BYTES, is_cut=True)
    if response.request.method == "POST":
        return Bounds(MAX_ANSWER_BYTES, MAX_EVENT_BYTES)
    return Bounds(MAX_BODY_BYTES)


def _encodings(response: httpx2.Response) -> list[str]:
    named = response.headers.get_list("content-encoding", split_commas=True)
    return [name for encoding in named if (name := encoding.strip().lower()) not in ("", "identity")]


class _Reader:
    """Decodes and counts one answer."""

    def __init__(self, response: httpx2.Response, bounds: Bounds) -> None:
        self._bounds = bounds
        encodings = _encodings(response)
        # Encoded twice, little becomes much twice over, and no honest server does that.
        if len(encodings) > 1 or not set(encodings) <= {"gzip", "x-gzip", "deflate"}:
            raise RefusedAnswerError(f"the answer is encoded as {', '.join(encodings)[:100]!r}, which is not read here")
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if encodings else None
        # httpx2 must not decode it once more.
        response.headers.pop("content-encoding", None)
        self._arrived = self._given = self._event = self._lines = 0
        self._tail = b""
        self.is_full = False

    def pieces(self, arrived: bytes) -> Iterator[bytes]:
        """What has arrived, decoded and within the bounds; less is given than arrived where it is cut.

        Raises:
            RefusedAnswerError: it is too long, or cannot be decoded.
        """
        self._arrived += len(arrived)
        for piece in self._inflated(arrived) if self._inflater else _cut_up(arrived):
            room = self._bounds.total_bytes - self._given
            if len(piece) > room:
                self._fill()
                yield piece[:room]
                return
            self._given += len(piece)
            self._count_event(piece)
            yield piece
        # Behind the end of what is packed, anything may follow.
        if self._arrived > self._bounds.total_bytes:
            self._fill()

    def _fill(self) -> None:
        if not self._bounds.is_cut:
            raise RefusedAnswerError(f"the answer is longer than {self._bounds.total_bytes} bytes")
        self.is_full = True

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        assert self._inflater is not None
        try:
            # All input may be read already while some output is still held back.
            while not self._inflater.eof and (piece := self._inflater.decompress(data, PIECE_BYTES)):
                data = self._inflater.unconsumed_tail
                yield piece
        except zlib.error as exc:
            raise RefusedAnswerError(f"the answer cannot be decoded: {exc}") from None

    def _count_event(self, piece: bytes) -> None:
        if self._bounds.event_bytes is None:
            return
        seen = self._tail + piece
        ends = [found.end() for found in _EVENT_END.finditer(seen)]
        self._event = len(seen) - ends[-1] if ends else self._event + len(piece)
        self._tail = seen[-_LONGEST_END + 1 :]
        if self._event > self._bounds.event_bytes:
            raise RefusedAnswerError(f"one event of the answer is longer than {self._bounds.event_bytes} bytes")
        self._lines += max(piece.count(b"\n"), piece.count(b"\r"))
        if self._lines > MAX_LINES:
            raise RefusedAnswerError(f"the answer has more than {MAX_LINES} lines")


def _cut_up(data: bytes) -> Iterator[bytes]:
    return (data[start : start + PIECE_BYTES] for start in range(0, len(data), PIECE_BYTES))


class _AsyncBounded(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, reader: _Reader) -> None:
        self._inner, self._reader = inner, reader

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for arrived in self._inner:
            for number, piece in enumerate(self._reader.pieces(arrived)):
                if number:
                    # A piece may hold hundreds of events: others get their turn before the next.
                    await asyncio.sleep(0)
                yield piece
            if self._reader.is_full:
                return

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream, reader: _Reader) -> None:
        self._inner, self._reader = inner, reader

    def __iter__(self) -> Iterator[bytes]:
        for arrived in self._inner:
            yield from self._reader.pieces(arrived)
            if self._reader.is_full:
                return

    def close(self) -> None:
        self._inner.close()
