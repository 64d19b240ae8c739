"""The workbench behind classes that are made without one: opened once for the process, on the background event loop.

``CooperationScheduler()``, ``IntelligentRouter()`` and ``ApplicationServiceManager()`` work from any event loop, also
from one after another (``asyncio.run`` twice). What they work with belongs to the one loop of :mod:`services.bridge`.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from multi_llm_comparator.core.home import open_home
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.bridge import Bridge, get_bridge

if TYPE_CHECKING:
    from multi_llm_comparator.wiring import Services

T = TypeVar("T")
CLOSING_S = 20.0

_lock = threading.Lock()
_opened: tuple[Services, Bridge] | None = None
_closing: contextlib.AsyncExitStack | None = None


def services() -> Services:
    """What is open in this process: the workbench of the pages where there is one, else one of its own.

    Blocks for as long as the first scan of the models' folders takes. Must not be called on the background loop itself
    before a workbench is open.

    Raises:
        StoreError, ConfigurationError: the database or the home folder cannot be used.
    """
    from multi_llm_comparator.workbench import already_open

    if (workbench := already_open()) is not None:
        return workbench
    with _lock:
        if _opened is None or _opened[1].loop.is_closed():
            _open()
        assert _opened is not None
        return _opened[0]


def _open() -> None:
    global _opened, _closing
    from multi_llm_comparator.headless import opened_alone, scanned_models

    open_home(get_settings().home)
    models, bridge, stack = scanned_models(), get_bridge(), contextlib.AsyncExitStack()
    _opened, _closing = (bridge.run(stack.enter_async_context(opened_alone(models))), bridge), stack
    atexit.register(close)


async def with_services(work: Callable[[Services], Coroutine[Any, Any, T]]) -> T:
    """The result of ``work``, done with :func:`services` on the loop that they belong to; whoever cancels this cancels
    the work. Raises as :func:`services`, and what the work raises."""
    found = await asyncio.to_thread(services)
    return await asyncio.wrap_future(get_bridge().submit(work(found)))


def close() -> None:
    """End every model process that was started here. Harmless when nothing was opened; the next use opens anew."""
    global _opened, _closing
    atexit.unregister(close)
    with _lock:
        opened, stack, _opened, _closing = _opened, _closing, None, None
    if opened is not None and stack is not None and not opened[1].loop.is_closed():
        opened[1].run(stack.aclose(), timeout_s=CLOSING_S)
