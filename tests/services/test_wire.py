from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.services.wire import MAX_LINE_BYTES, Channel, decode, encode

messages = st.fixed_dictionaries({"op": st.text(max_size=10)}, optional={"text": st.text(), "n": st.integers()})


@given(st.lists(messages, min_size=1, max_size=5), st.integers(1, 50))
def test_messages_arrive_whole_however_the_bytes_are_cut(sent: Any, size: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # A pair has no TCP options; Channel only needs something to read.
        channel = Channel.__new__(Channel)
        channel._socket, channel._buffer = theirs, bytearray()
        data = b"".join(map(encode, sent))
        received = []
        for start in range(0, len(data), size):
            ours.sendall(data[start : start + size])
            received += channel.receive(wait=False)
        while len(received) < len(sent):
            received += channel.receive(wait=True)
    assert received == sent


def test_a_lone_surrogate_survives() -> None:
    assert decode(encode({"op": "x", "text": "\ud83d"})) == {"op": "x", "text": "\ud83d"}


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"op": 1}', b"nonsense"])
def test_a_line_that_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)


def test_the_end_of_the_app_is_the_end_of_the_channel() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        theirs.close()
        with pytest.raises(EOFError):
            Channel(ours).receive(wait=True)


def test_a_message_without_an_end_is_not_collected_for_ever() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as ours:
        channel = Channel(ours)
        channel._buffer = bytearray(MAX_LINE_BYTES + 1)
        with pytest.raises(EOFError, match="bound"):
            channel.receive(wait=False)
