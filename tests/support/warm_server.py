"""A process that has imported what model processes or commands need, and forks one whenever a test wants it.

Started by :mod:`tests.support.warm_places` with ``python -m``; ends when its standard input does. Each connection asks
for one process: four bytes that tell the length of a JSON object, with file descriptors, then that object. A model
process has the writing end of a pipe for what it prints, a command its three standard streams. The answer is
``{"pid": ...}``, and once it has ended ``{"code": ...}``, a line each; ``{}`` if nothing can be forked. Whoever closes
the connection before has it killed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from typing import Any

from multi_llm_comparator.core import clock
from multi_llm_comparator.inferencers import time_limits
from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE, preload
from multi_llm_comparator.services import template_process, worker
from tests.support import warm_command
from tests.support.warm_launcher import APP, COMMANDS, LENGTH_BYTES

DESCRIPTORS = 3
GGUF_ENGINE = "multi_llm_comparator.inferencers.gguf_engine"
LLAMA_CPP_CHILD = "multi_llm_comparator.conversion.llama_cpp_child"
# How long a chat template may compute in the processes of a test; all of that time passes where one never ends.
TEMPLATE_LIMIT = "MLC_TEST_TEMPLATE_LIMIT_S"


class WarmServer:
    """Forks for whoever connects. ``began_with`` are the environment variables before anything was imported."""

    def __init__(self, place: socket.socket, began_with: dict[str, str]) -> None:
        self._place = place
        self._began_with = began_with
        # By the numbers of the processes that were forked for them.
        self._callers: dict[int, socket.socket] = {}
        # poll() needs no file descriptor of its own, which a fork would inherit.
        self._waiting = selectors.PollSelector()
        self._waiting.register(place, selectors.EVENT_READ)
        self._waiting.register(0, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self._waiting.select():
                if key.fd == 0:
                    return
                if key.data is None:
                    self._fork(self._place.accept()[0])
                elif key.fileobj in self._callers.values():
                    self._waiting.unregister(key.fileobj)
                    os.kill(key.data, signal.SIGKILL)
                else:
                    self._report(key.fd, key.data)

    def _fork(self, caller: socket.socket) -> None:
        data, streams, _, _ = socket.recv_fds(caller, LENGTH_BYTES, DESCRIPTORS)
        if len(data) < LENGTH_BYTES or not streams:
            caller.close()
            return
        with caller.makefile("rb") as rest:
            wanted = json.loads(rest.read(int.from_bytes(data, "big")))
        if "words" in wanted and (reason := template_process.too_many_threads()) is not None:
            print(f"a command of the tests is started on its own: {reason}", file=sys.stderr)
            _tell(caller, {})
            caller.close()
        else:
            self._fork_for(caller, wanted, streams)
        for descriptor in streams:
            os.close(descriptor)

    def _fork_for(self, caller: socket.socket, wanted: dict[str, Any], streams: list[int]) -> None:
        server = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child == 0:
            self._become(server, wanted, streams, caller)
        self._callers[child] = caller
        self._waiting.register(os.pidfd_open(child), selectors.EVENT_READ, data=child)
        self._waiting.register(caller, selectors.EVENT_READ, data=child)
        _tell(caller, {"pid": child})

    def _become(self, server: int, wanted: dict[str, Any], streams: list[int], caller: socket.socket) -> None:
        """In the child: go on as a model process or a command, and never return."""
        code = 1
        try:
            self._take(wanted, streams, caller)
            if "words" in wanted:
                worker.die_with_parent(server)
                code = warm_command.run(wanted["words"])
            else:
                worker.settle(server)
                worker.serve(wanted["port"], wanted["token"])
                code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            if code < 0:
                signal.signal(-code, signal.SIG_DFL)
                os.kill(os.getpid(), -code)
            os._exit(code)

    def _take(self, wanted: dict[str, Any], streams: list[int], caller: socket.socket) -> None:
        """The streams, folder and environment that were given; nothing of the server's stays open."""
        given = streams if len(streams) == DESCRIPTORS else [os.open(os.devnull, os.O_RDONLY), streams[0], streams[0]]
        for number, descriptor in enumerate(given):
            os.dup2(descriptor, number)
        own = {caller.fileno(), *(key.fd for key in self._waiting.get_map().values())}
        for descriptor in {*streams, *given, *own} - {0, 1, 2}:
            os.close(descriptor)
        os.chdir(wanted["folder"])
        if (umask := wanted.get("umask")) is not None:
            os.umask(umask)
        for name in self._began_with.keys() - wanted["environment"].keys():
            os.environ.pop(name, None)
        os.environ.update(wanted["environment"])
        importlib.reload(clock)
        if seconds := os.environ.pop(TEMPLATE_LIMIT, ""):
            object.__setattr__(time_limits.TEMPLATE, "seconds", float(seconds))
            object.__setattr__(time_limits.TEMPLATE, "soft_seconds", float(seconds) / 2)
        if "torch" in sys.modules:
            from multi_llm_comparator.inferencers.pytorch_environment import draw_anew

            draw_anew()

    def _report(self, descriptor: int, child: int) -> None:
        self._waiting.unregister(descriptor)
        os.close(descriptor)
        _, status = os.waitpid(child, 0)
        caller = self._callers.pop(child)
        _tell(caller, {"code": os.waitstatus_to_exitcode(status)})
        with contextlib.suppress(KeyError):  # whoever asked has gone
            self._waiting.unregister(caller)
        caller.close()


def _tell(caller: socket.socket, message: dict[str, int]) -> None:
    # Its test may be over.
    with contextlib.suppress(OSError):
        caller.sendall(json.dumps(message).encode() + b"\n")


def import_for(engine: str) -> None:
    if engine in (COMMANDS, APP):
        from tests.support import warm_imports

        warm_imports.import_all(engine)
    else:
        # And what conversions start a process for, each of them.
        preload(engine)
        for name in (GGUF_ENGINE, LLAMA_CPP_CHILD):
            importlib.import_module(name)


@contextlib.contextmanager
def one_numpy_thread() -> Iterator[None]:
    """numpy's BLAS starts its threads when it is imported; nothing can be forked from a process that has some."""
    before = os.environ.get(template_process.NUMPY_THREADS)
    os.environ[template_process.NUMPY_THREADS] = "1"
    yield
    del os.environ[template_process.NUMPY_THREADS]
    if before is not None:
        os.environ[template_process.NUMPY_THREADS] = before


def main() -> None:
    began_with = dict(os.environ)
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", type=int, required=True, help="file descriptor of a listening socket")
    parser.add_argument("--engine", required=True)
    arguments = parser.parse_args()
    if arguments.engine == PRELOADED_ENGINE:
        if (reason := template_process.prepare(at_leisure=False)) is not None:
            raise SystemExit(reason)
    else:
        with one_numpy_thread():
            import_for(arguments.engine)
        gc.collect()
        gc.freeze()
    with socket.socket(fileno=arguments.listen) as place:
        WarmServer(place, began_with).serve()


if __name__ == "__main__":
    main()
