"""What PyTorch models start from, made ready while the app has nothing else to do.

Importing torch and transformers takes seconds. On Linux, where models compute on the CPU, a template does it once and
forks all of them (:mod:`services.template`); elsewhere one spare process has done it for the next model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys

import psutil

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE
from multi_llm_comparator.services.devices import gpus, torch_runs_on_gpu
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.template import CannotFork, Template

# Between two questions of one who reads and writes there is more time than that, between those of a program less.
IDLE_FOR_S = 3.0

log = logging.getLogger(__name__)


class Spare:
    """Has processes for PyTorch models; told by :meth:`rest` and :meth:`work` whether the app has anything to do."""

    def __init__(self, *, enabled: bool, load_timeout_s: float) -> None:
        self._enabled = enabled
        self._load_timeout_s = load_timeout_s
        self._forks = can_fork()
        self._working = False
        self._timer: asyncio.TimerHandle | None = None
        self._filling: asyncio.Task[None] | None = None
        self._hurrying: asyncio.Task[Template] | None = None
        self._template: Template | None = None
        self._process: ModelProcess | None = None

    def rest(self) -> None:
        """No request is left: get ready for the next PyTorch model, if that lasts."""
        self._working = False
        if self._enabled and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(IDLE_FOR_S, self._get_ready)

    def work(self) -> None:
        """A request has come: what is getting ready stops until :meth:`rest`."""
        self._working = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._suspend()

    def _suspend(self) -> None:
        if (process := self._imports_at_leisure()) is not None:
            with contextlib.suppress(psutil.Error):
                process.suspend()

    async def take(self, engine: str, *, safe: bool) -> ModelProcess:
        """A process for a model of this engine; one with ``safe`` settings gets one that was started on its own.

        Raises:
            ModelLoadError: no process can be started.
        """
        if self._enabled and engine == PRELOADED_ENGINE and not safe:
            if self._forks:
                try:
                    template = await self._ready_template()
                    return await ModelProcess.start(template.spawn)
                except CannotFork as exc:
                    log.warning("a PyTorch model is started on its own: %s", exc)
            elif (process := self._take_process()) is not None:
                return process
        return await ModelProcess.start()

    async def aclose(self) -> None:
        self._enabled = False
        self.work()
        await end_tasks(self._filling, self._hurrying)
        if self._template is not None:
            await self._template.close()
        if self._process is not None:
            await self._process.close()

    def _get_ready(self) -> None:
        self._timer = None
        if (process := self._imports_at_leisure()) is not None:
            with contextlib.suppress(psutil.Error):
                process.resume()
        elif self._hurrying is None and not self._is_ready():
            self._filling = asyncio.create_task(self._fill())

    def _is_ready(self) -> bool:
        waiting = self._template if self._forks else self._process
        return waiting is not None and waiting.is_alive

    async def _fill(self) -> None:
        try:
            if self._forks:
                self._template = await Template.start(at_leisure=True)
            else:
                self._process = await ModelProcess.start()
            if self._working:
                # A request has come in the meantime.
                self._suspend()
            if self._template is not None:
                await self._template.ready()
            elif self._process is not None:
                await self._process.preload(PRELOADED_ENGINE)
        except CannotFork as exc:
            self._stop_forking(exc)
        except MultiLLMError as exc:
            log.warning("no process is ready for the next PyTorch model: %s", exc)

    def _imports_at_leisure(self) -> psutil.Process | None:
        """The process that is getting ready, if one is."""
        waiting = self._template or self._process
        if self._filling is None or self._filling.done() or waiting is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(waiting.pid)
        return None

    def _stop_forking(self, reason: CannotFork) -> None:
        if self._forks:
            log.warning("PyTorch models are started on their own from now on: %s", reason)
        self._forks, self._template = False, None

    async def _ready_template(self) -> Template:
        if self._template is not None and self._template.is_ready:
            return self._template
        if self._hurrying is None:
            self._hurrying = asyncio.create_task(self._hurry())
        # Whoever else waits for it must not lose it with this one.
        return await asyncio.shield(self._hurrying)

    async def _hurry(self) -> Template:
        """A template at the priority of a model that loads; one at leisure cannot be raised to that, and ends."""
        try:
            await self._end_leisure()
            template = self._template = await Template.start(at_leisure=False)
            async with asyncio.timeout(self._load_timeout_s):
                await template.ready()
            return template
        except TimeoutError:
            raise CannotFork(f"the process to fork from was not ready within {self._load_timeout_s:g} s") from None
        except CannotFork as exc:
            self._stop_forking(exc)
            raise
        finally:
            self._hurrying = None

    async def _end_leisure(self) -> None:
        if self._filling is not None and not self._filling.done():
            self._filling.cancel()
            await asyncio.wait({self._filling})
        if self._template is not None:
            template, self._template = self._template, None
            await template.close()

    def _take_process(self) -> ModelProcess | None:
        """The spare process, if its imports are done."""
        if self._process is None or self._filling is None or not self._filling.done():
            return None
        process, self._process = self._process, None
        return process if process.is_alive else None


def can_fork() -> bool:
    """Whether this is a system where model processes can be forked, as far as can be told without importing torch."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    return not (torch_runs_on_gpu() and any(gpu.name.startswith("cuda") for gpu in gpus()))
