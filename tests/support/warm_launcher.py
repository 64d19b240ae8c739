"""Stands in for ``python``: has a server of the tests fork a process for a command, and ends as that does.

Run by the script that :func:`tests.support.warm_python.warm_python` writes, isolated and without site-packages, so that
it starts in a moment: it may import nothing of ours. What it is given are the server's socket, the interpreter to use
where the server cannot fork, and the words behind ``python``. The process that the server forks has this one's folder,
environment and standard streams, and the signals that it is sent; killing this one kills it as well, a moment later.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

LENGTH_BYTES = 4
# In place of an engine's name: what commands need, and what the app with its pages does.
COMMANDS, APP = "commands", "app"
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Kept until there is a process to send them to."""

    def __init__(self) -> None:
        self._early: list[int] = []
        self._to = 0
        for number in PASSED_ON:
            signal.signal(number, self._on_signal)

    def send_to(self, process: int) -> None:
        self._to = process
        for number in self._early:
            self._on_signal(number, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._to:
            self._early.append(number)
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._to, number)


def main() -> None:
    place, python, *words = sys.argv[1:]
    signals = Signals()
    umask = os.umask(0o077)
    wanted = {"words": words, "folder": str(Path.cwd()), "environment": dict(os.environ), "umask": umask}
    message = json.dumps(wanted).encode()
    with socket.socket(socket.AF_UNIX) as caller, caller.makefile("rb") as told:
        try:
            caller.connect(place)
            socket.send_fds(caller, [len(message).to_bytes(LENGTH_BYTES, "big")], [0, 1, 2])
            caller.sendall(message)
            process = json.loads(told.readline() or b"{}").get("pid")
        except OSError:
            process = None
        if process is None:
            os.umask(umask)
            for number in PASSED_ON:
                signal.signal(number, signal.SIG_DFL)
            os.execv(python, [python, *words])
        signals.send_to(process)
        # Without a word the server has ended, and the kernel has ended its forks with it.
        code = json.loads(told.readline() or b"{}").get("code", -signal.SIGKILL)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main()
