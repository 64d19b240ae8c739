"""What a process does that was forked for a command: its words are run as ``python`` would run them.

``-m module``, ``-c code`` or a script, then whatever that is given. It is a process of its own with a number, an exit
code, signals and standard streams; only its imports were done before.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import runpy
import signal
import sys
import threading
import traceback
import types
import warnings
from pathlib import Path

from multi_llm_comparator.core import settings
from multi_llm_comparator.services import worker


def run(words: list[str]) -> int:
    """Do what ``python`` does with these words; its exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Whoever forked this is not the parent that a command is told of; what stands in for the command has that one, and
    # takes this process along.
    vars(worker)["die_with_parent"] = lambda parent: None
    for place in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if place and place not in sys.path:
            sys.path.insert(0, place)
    settings._current = None
    code = 0
    try:
        _run(words)
    except SystemExit as end:
        code = _exit_code(end.code)
    except KeyboardInterrupt:
        traceback.print_exc()
        code = -signal.SIGINT
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
    return code


def forget(*names: str) -> None:
    """Have modules whose names begin so imported anew where they are wanted next."""
    for name in [name for name in sys.modules if name.startswith(names)]:
        del sys.modules[name]


def _run(words: list[str]) -> None:
    # A module that was imported already is run all the same.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
    # Streams are flushed in the end, and what is said meanwhile is said by modules that flush.
    kind, *rest = words[1:] if words[0] == "-u" else words
    if kind == "-c":
        code, *given = rest
        sys.path.insert(0, "")
        sys.argv = ["-c", *given]
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        exec(compile(code, "<string>", "exec"), main.__dict__)
    elif kind == "-m":
        module, *given = rest
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = [module, *given]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(kind).parent.resolve()))
        sys.argv = [kind, *rest]
        runpy.run_path(kind, run_name="__main__")


def _exit_code(given: object) -> int:
    if given is None or isinstance(given, int):
        return (given or 0) & 0xFF
    print(given, file=sys.stderr)
    return 1
