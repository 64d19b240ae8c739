"""A stand-in for the interpreter with which tests run commands: their imports are done already.

``[warm_python(), "-m", "multi_llm_comparator.cli", ...]`` is run like any other program, by ``subprocess`` or
``asyncio``. What it starts is a process of its own that a server of the tests forks, see
:mod:`tests.support.warm_command`. Its number is not the one that is seen from outside; its priority, its limits and its
file descriptors beyond the standard streams are the server's. Where those matter, or the start itself is tried, tests
use ``sys.executable``.
"""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path

import pytest

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE
from tests.support import warm_launcher
from tests.support.warm_server import COMMANDS, LLAMA_CPP_CHILD
from tests.support.warm_start import LIGHT_ENGINE, WARM_PLACE, can_start_warm, warm_server


class _WarmSys:
    """``sys``, but for the interpreter."""

    def __getattr__(self, name: str) -> object:
        return getattr(sys, name)

    @property
    def executable(self) -> str:
        return warm_python(LIGHT_ENGINE)


def start_warm_children(patched: pytest.MonkeyPatch) -> None:
    """From here on, what only llama.cpp can tell of a file is asked of processes that have imported it: a conversion
    asks two or three times."""
    if (module := sys.modules.get(LLAMA_CPP_CHILD)) is not None:
        patched.setattr(module, "sys", _WarmSys())


@functools.cache
def warm_python(imported: str = COMMANDS) -> str:
    """The path of the program, which has imported what commands need, or an engine; that of the interpreter itself
    where processes cannot be forked."""
    if not can_start_warm():
        return sys.executable
    commands = warm_server(imported)
    # Models that a command loads are forked from the servers of this process's tests, as its own are.
    engines = (LIGHT_ENGINE, PRELOADED_ENGINE) if imported == COMMANDS else ()
    places = {f"{WARM_PLACE}{engine}": warm_server(engine).place for engine in engines}
    launcher = [sys.executable, "-I", "-S", str(Path(warm_launcher.__file__)), commands.place, sys.executable]
    script = Path(commands.place).with_name("python")
    lines = ["#!/bin/sh", *(f"export {name}={shlex.quote(place)}" for name, place in places.items())]
    script.write_text("\n".join([*lines, f'exec {shlex.join(launcher)} "$@"', ""]), encoding="utf-8")
    script.chmod(0o755)
    return str(script)
