"""How the app and a model process talk: one JSON object per line over a loopback socket.

A socket rather than pipes, because it can be polled on every platform, leaves stdout and stderr to native libraries
that print there, and closes by itself when the other side is killed.

To the process:    load, preload, generate, score, embed, tokens, cancel, threads
From the process:  hello, preloaded, loaded, load_failed, events, alive
"""

from __future__ import annotations

import json
import select
import socket
from typing import Any

Wire = dict[str, Any]

# One line holds at most a prompt and its rendered form. Longer ones are refused before they are sent.
MAX_LINE_BYTES = 32 * 1024 * 1024
TOKEN_VARIABLE = "MLC_WORKER_TOKEN"


def encode(message: Wire) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def decode(line: bytes) -> Wire:
    message = json.loads(line.decode("utf-8", "surrogatepass"))
    if not isinstance(message, dict) or not isinstance(message.get("op"), str):
        raise ValueError("a message must be an object with an 'op'")
    return message


class Channel:
    """The model process's end: blocking, or polled between two decode steps."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self._buffer = bytearray()

    def send(self, message: Wire) -> None:
        self._socket.sendall(encode(message))

    def receive(self, *, wait: bool) -> list[Wire]:
        """Messages that have arrived; with ``wait``, at least one.

        Raises:
            EOFError: the app is gone.
        """
        messages = self._complete_lines()
        while not messages:
            if not wait and not select.select([self._socket], [], [], 0)[0]:
                return []
            chunk = self._socket.recv(1 << 16)
            if not chunk:
                raise EOFError("the app closed the connection")
            self._buffer += chunk
            messages = self._complete_lines()
        return messages

    def _complete_lines(self) -> list[Wire]:
        if b"\n" not in self._buffer:
            if len(self._buffer) > MAX_LINE_BYTES:
                raise EOFError("a message exceeds its bound")
            return []
        whole, _, rest = bytes(self._buffer).rpartition(b"\n")
        self._buffer = bytearray(rest)
        return [decode(line) for line in whole.split(b"\n") if line]
