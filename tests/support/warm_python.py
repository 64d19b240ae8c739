"""A stand-in for the interpreter with which tests run commands: their imports are done already.

``[warm_python(), "-m", "multi_llm_comparator.cli", ...]`` is run like any other program, by ``subprocess`` or
``asyncio``. What it starts is a process of its own that a server of the tests forks, see
:mod:`tests.support.warm_command`. Its number is not the one that is seen from outside; its priority, its limits and its
file descriptors beyond the standard streams are the server's. Where those matter, or the start itself is tried, tests
use ``sys.executable``.
"""

from __future__ import annotations

import functools
import os
import shlex
import sys
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.jobs import process as jobs_process
from multi_llm_comparator.services import asked_process
from tests.support import warm_launcher
from tests.support.warm_launcher import APP, COMMANDS
from tests.support.warm_places import LIGHT_ENGINE, SERVED, WARM_PLACE
from tests.support.warm_server import LLAMA_CPP_CHILD
from tests.support.warm_start import can_start_warm, warm_server

# As it is before a test puts a stand-in in its place.
INTERPRETER = sys.executable
# Of the processes that are asked, those whose imports take longer than what tests ask of them, by who has done them.
WARM_MODULES = {
    "multi_llm_comparator.applications.reading.child": APP,
    "multi_llm_comparator.conversion.job_process": COMMANDS,
    "multi_llm_comparator.training.data.data_child": COMMANDS,
}


class _WarmSys:
    """``sys``, but for the interpreter."""

    def __getattr__(self, name: str) -> object:
        return getattr(sys, name)

    @property
    def executable(self) -> str:
        return warm_python(LIGHT_ENGINE)


class _JobSys(_WarmSys):
    @property
    def executable(self) -> str:
        return warm_python()


class _AskedSys(_WarmSys):
    """The same for processes that are asked: for the module that is being started, if it is one of those."""

    starting: ContextVar[str] = ContextVar("starting", default="")

    @property
    def executable(self) -> str:
        imported = WARM_MODULES.get(self.starting.get())
        return INTERPRETER if imported is None else warm_python(imported)


def start_warm_children(patched: pytest.MonkeyPatch) -> None:
    """From here on, what only llama.cpp can tell of a file is asked of processes that have imported it: a conversion
    asks two or three times. So are conversions themselves, and what reads documents and data to learn from. What bounds
    their memory bounds that of a fork as well, yet other than it would: such tests are marked ``cold``."""
    if (module := sys.modules.get(LLAMA_CPP_CHILD)) is not None:
        patched.setattr(module, "sys", _WarmSys())
    usual = asked_process.AskedProcess.start

    async def start(module: str, **options: Any) -> asked_process.AskedProcess:
        _AskedSys.starting.set(module)
        return await usual(module, **options)

    patched.setattr(asked_process, "sys", _AskedSys())
    patched.setattr(asked_process.AskedProcess, "start", start)


def start_warm_jobs(patched: pytest.MonkeyPatch) -> None:
    """From here on, processes of jobs begin with their imports done. What such a job starts is not found by its session
    or its environment: tests of how a job and all of its processes end have it start as it does."""
    patched.setattr(jobs_process, "sys", _JobSys())


@functools.cache
def warm_python(imported: str = COMMANDS) -> str:
    """The path of the program, which has imported what commands need, or an engine; that of the interpreter itself
    where processes cannot be forked."""
    if not can_start_warm():
        return INTERPRETER
    commands = warm_server(imported)
    script = Path(commands.place).with_name("python")
    if script.exists():
        # Another worker, or the test that runs this command, has made it.
        return str(script)
    # What a command or the app starts in turn is forked from the servers of the test, once something is.
    engines = SERVED if imported in (COMMANDS, APP) else ()
    places = {f"{WARM_PLACE}{engine}": warm_server(engine).place for engine in engines}
    launcher = [INTERPRETER, "-I", "-S", str(Path(warm_launcher.__file__)), commands.place, INTERPRETER]
    lines = ["#!/bin/sh", *(f"export {name}={shlex.quote(place)}" for name, place in places.items())]
    part = script.with_name(f"python.{os.getpid()}")
    part.write_text("\n".join([*lines, f'exec {shlex.join(launcher)} "$@"', ""]), encoding="utf-8")
    part.chmod(0o755)
    part.rename(script)
    return str(script)
