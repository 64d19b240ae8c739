"""The template: imports what PyTorch models need, once, then forks a model process whenever the app asks for one.

Started by :mod:`services.template` with ``python -m``. It talks over a pair of sockets, one JSON object per line:

    To the template:    fork, with the writing end of a pipe for what the model process prints
    From the template:  ready, refused; forked, not_forked, ended

A fork takes only the thread that forks along: locks that others held stay locked, and teams of threads wait for members
that are not there. So the template forks while it has a single thread, and says so when it cannot.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import selectors
import socket
import sys
import time
import traceback
from collections import deque
from pathlib import Path

from multi_llm_comparator.inferencers.pytorch_environment import draw_anew, gpu_in_the_way
from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE, preload
from multi_llm_comparator.services.wire import Wire, decode, encode
from multi_llm_comparator.services.worker import die_with_parent, run_aside, serve, settle

# A thread that has ended is gone from the system's list a moment later.
THREADS_END_WITHIN_S = 1.0
READ_BYTES = 1 << 16
# One fork is asked for by one message with one file descriptor; a few may have come together.
MAX_DESCRIPTORS = 64
NUMPY_THREADS = "OPENBLAS_NUM_THREADS"


class TemplateServer:
    """Forks for the app until that closes the connection; its model processes end with it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._buffer = bytearray()
        self._pipes: deque[int] = deque()
        # poll() needs no file descriptor of its own, which a fork would inherit.
        self._waiting = selectors.PollSelector()
        self._waiting.register(control, selectors.EVENT_READ)

    def serve(self) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                for key, _ in self._waiting.select():
                    if key.data is None:
                        self._obey()
                    else:
                        self._report(key.fd, key.data)

    def _obey(self) -> None:
        data, pipes, _, _ = socket.recv_fds(self._control, READ_BYTES, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise EOFError("the app closed the connection")
        self._pipes += pipes
        self._buffer += data
        *whole, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in whole:
            self._fork(decode(line), self._pipes.popleft())

    def _fork(self, message: Wire, pipe: int) -> None:
        template = os.getpid()
        reason = too_many_threads()
        child = None
        # Else the model process would print it again.
        sys.stdout.flush()
        sys.stderr.flush()
        if reason is None:
            try:
                child = os.fork()
            except OSError as exc:
                reason = exc.strerror or str(exc)
        if child == 0:
            self._become_model(template, message, pipe)
        os.close(pipe)
        if child is None:
            self._tell({"op": "not_forked", "number": message["number"], "reason": reason})
            return
        self._waiting.register(os.pidfd_open(child), selectors.EVENT_READ, data=child)
        self._tell({"op": "forked", "number": message["number"], "pid": child})

    def _become_model(self, template: int, message: Wire, pipe: int) -> None:
        """In the child: go on as a model process, and never return."""
        code = 1
        try:
            die_with_parent(template)
            for descriptor in (sys.stdout.fileno(), sys.stderr.fileno()):
                os.dup2(pipe, descriptor)
            # What belongs to the template alone: its connection, and by what it waits for the other model processes.
            self._waiting.unregister(self._control)
            self._control.close()
            for descriptor in (pipe, *self._pipes, *(key.fd for key in self._waiting.get_map().values())):
                os.close(descriptor)
            draw_anew()
            serve(message["port"], message["token"])
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _report(self, descriptor: int, child: int) -> None:
        self._waiting.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(child, 0)
        self._tell({"op": "ended", "pid": child, "code": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: Wire) -> None:
        self._control.sendall(encode(message))


def obstacle() -> str | None:
    """Why this process cannot be forked from at all, or None."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError) as exc:
        return f"this system does not tell when a process ends ({exc})"
    return gpu_in_the_way() or too_many_threads()


def too_many_threads() -> str | None:
    """Why this process must not fork now, or None."""
    deadline = time.monotonic() + THREADS_END_WITHIN_S
    while (names := threads()) and len(names) > 1:
        if time.monotonic() > deadline:
            return f"the process to fork from has {len(names)} threads: {', '.join(sorted(set(names)))}"
        time.sleep(0.005)
    return None


def threads() -> list[str]:
    """The names of this process's threads, those of libraries too."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):
            names.append((task / "comm").read_text(encoding="utf-8", errors="replace").strip())
    return names


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("--at-leisure", action="store_true")
    arguments = parser.parse_args()
    settle(arguments.parent)
    with socket.socket(fileno=arguments.control) as control:
        reason = prepare(at_leisure=arguments.at_leisure)
        if reason is None:
            control.sendall(encode({"op": "ready"}))
            TemplateServer(control).serve()
        else:
            control.sendall(encode({"op": "refused", "reason": reason}))


def prepare(*, at_leisure: bool) -> str | None:
    """Import everything; returns why this process cannot be forked from, or None."""
    # numpy's BLAS starts its threads when it is imported. Models compute in torch, whose threads come and go as asked.
    before = os.environ.get(NUMPY_THREADS)
    os.environ[NUMPY_THREADS] = "1"
    try:
        # Also when there is hurry: what a library keeps for the thread that uses it first is then in no fork.
        run_aside(lambda: preload(PRELOADED_ENGINE), last=at_leisure)
    except Exception as exc:
        traceback.print_exc()
        return f"what PyTorch models need cannot be imported: {exc!r}"
    finally:
        del os.environ[NUMPY_THREADS]
        if before is not None:
            os.environ[NUMPY_THREADS] = before
    # A collection marks every object that it looks at, and a page that is written to is shared no more.
    gc.collect()
    gc.freeze()
    return obstacle()


if __name__ == "__main__":
    main()
