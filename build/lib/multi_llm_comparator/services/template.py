"""The app's handle on the template: a process that has imported torch and transformers, and forks model processes.

What is imported once is then shared: a fork needs no import, and its memory is the template's until it writes to it.
The template (:mod:`services.template_process`) is the parent of its model processes: it reports how they end, and the
kernel ends them with it, as it ends the template with the app.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
from collections import deque

import psutil

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.child_process import LOG_LINES_KEPT, START_TIMEOUT_S, collect_lines, start_module
from multi_llm_comparator.services.wire import Wire, decode, encode

# A process that was killed is gone within milliseconds, unless it hangs in the kernel.
GONE_WITHIN_S = 5.0

log = logging.getLogger(__name__)


class CannotFork(ModelLoadError):
    """The template cannot fork model processes here, now or ever; they are then started on their own."""


class ForkedChild:
    """A model process that the template has forked; what :class:`ModelProcess` needs of a child."""

    def __init__(self, pid: int, template: int, stdout: asyncio.StreamReader) -> None:
        self.pid = pid
        self.template = template
        self.stdout = stdout
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with contextlib.suppress(psutil.NoSuchProcess):
            # It knows when the process began, so that no other one is taken for it once its number is free again.
            self._process = psutil.Process(pid)

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def kill(self) -> None:
        if not self._ended.done() and hasattr(self, "_process"):
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.kill()

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    def end(self, code: int) -> None:
        """Take note that it has ended, with this code or by the signal ``-code``."""
        if not self._ended.done():
            self._ended.set_result(code)

    async def end_with_template(self) -> None:
        """The same when nobody is left to say how: the kernel kills it with its parent."""
        self.kill()
        for _ in range(int(GONE_WITHIN_S / 0.01)):
            if self._is_gone():
                break
            await asyncio.sleep(0.01)
        self.end(-signal.SIGKILL)

    def _is_gone(self) -> bool:
        try:
            return not self._process.is_running() or self._process.status() == psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, AttributeError):
            return True


class Template:
    """One template process. :meth:`start` returns before its imports are done; :meth:`spawn` waits for them."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._numbers = itertools.count()
        self._asked: dict[int, tuple[asyncio.Future[ForkedChild], asyncio.StreamReader]] = {}
        self._children: dict[int, ForkedChild] = {}
        self._log: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._tasks: list[asyncio.Task[None]] = []
        self._writer: asyncio.StreamWriter
        self._over = False

    @classmethod
    async def start(cls, *, at_leisure: bool) -> Template:
        """Start a process that imports what PyTorch models need; with ``at_leisure``, as the last of all processes.

        Raises:
            CannotFork: the system refuses another process.
        """
        ours, theirs = socket.socketpair()
        arguments = ["--control", str(theirs.fileno()), *(["--at-leisure"] if at_leisure else [])]
        try:
            process = await start_module(
                "multi_llm_comparator.services.template_process", arguments, keep=[theirs.fileno()]
            )
        except OSError as exc:
            ours.close()
            raise CannotFork(f"the process to fork from cannot be started: {exc.strerror or exc}") from exc
        finally:
            theirs.close()
        self = cls(process, ours)
        assert process.stdout is not None
        self._tasks.append(asyncio.create_task(collect_lines(process.stdout, self._log)))
        try:
            reader, self._writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            # Who asked for it is gone (or no socket can be had), and nobody else could end it.
            process.kill()
            ours.close()
            raise
        self._tasks.append(asyncio.create_task(self._listen(reader)))
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return not self._over

    @property
    def is_ready(self) -> bool:
        """Whether its imports are done and it can fork."""
        return self.is_alive and self._ready.done() and self._ready.exception() is None

    async def ready(self) -> None:
        """Wait until it can fork.

        Raises:
            CannotFork: it never will.
        """
        await asyncio.shield(self._ready)

    async def spawn(self, port: int, token: str) -> ForkedChild:
        """Fork a model process that connects to ``port`` and shows ``token``.

        Raises:
            CannotFork: the template has ended, or has more than one thread by now, or the system refuses.
        """
        if not self.is_ready:
            raise CannotFork("the process to fork from is not ready")
        loop = asyncio.get_running_loop()
        stdout = asyncio.StreamReader()
        read_end, write_end = os.pipe()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(read_end, "rb", 0))
        number, forked = next(self._numbers), loop.create_future()
        message = {"op": "fork", "number": number, "port": port, "token": token}
        try:
            socket.send_fds(self._control, [encode(message)], [write_end])
        except OSError as exc:
            raise CannotFork(f"the process to fork from cannot be asked: {exc}") from exc
        finally:
            os.close(write_end)
        self._asked[number] = forked, stdout
        try:
            return await asyncio.wait_for(forked, START_TIMEOUT_S)
        except TimeoutError:
            raise CannotFork(f"the process to fork from did not answer within {START_TIMEOUT_S:g} s") from None

    async def close(self) -> None:
        """End it, and with it whatever it has forked."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._dispatch(decode(line))
        except (ConnectionError, ValueError, KeyError, TypeError) as exc:
            log.warning("the process that models are forked from sent something unreadable and is ended: %s", exc)
            self._process.kill()
        await self._process.wait()
        self._over = True
        self._writer.close()
        words = " | ".join(list(self._log)[-3:])
        self._refuse(f"the process to fork from ended with code {self._process.returncode} {words[-500:]}".rstrip())
        if self._children:
            log.warning("%d models end with the process that they were forked from", len(self._children))
        await asyncio.gather(*(child.end_with_template() for child in self._children.values()))
        self._children.clear()

    def _refuse(self, reason: str) -> None:
        waiters: list[asyncio.Future[None] | asyncio.Future[ForkedChild]] = [
            self._ready,
            *(forked for forked, _ in self._asked.values()),
        ]
        for waiting in waiters:
            if not waiting.done():
                waiting.set_exception(CannotFork(reason))
                # Nobody may be waiting; that is no mistake.
                waiting.exception()

    def _dispatch(self, message: Wire) -> None:
        match message["op"]:
            case "ready" if not self._ready.done():
                self._ready.set_result(None)
            case "refused":
                self._refuse(str(message["reason"]))
            case "forked":
                forked, stdout = self._asked.pop(message["number"])
                child = self._children[message["pid"]] = ForkedChild(message["pid"], self.pid, stdout)
                if not forked.done():
                    forked.set_result(child)
            case "not_forked":
                forked, _ = self._asked.pop(message["number"])
                if not forked.done():
                    forked.set_exception(CannotFork(str(message["reason"])))
            case "ended":
                self._children.pop(message["pid"]).end(message["code"])
