"""The one bridge between synchronous callers and asyncio.

Everything above a model process is asyncio and lives on one background event loop. Streamlit scripts, and the
synchronous calls of the public API, reach it through here; there is no other thread of ours.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from multi_llm_comparator.core.callers import handed_on
from multi_llm_comparator.core.together import end_tasks

T = TypeVar("T")


class Bridge:
    """A background event loop that runs coroutines for synchronous callers."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        # A daemon: a script that forgets to close must still be able to end.
        self._thread = threading.Thread(target=self._serve, name="workbench-loop", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop and return at once. It works for whom the calling thread does."""
        with handed_on():
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float | None = None) -> T:
        """Run a coroutine on the loop and wait for its result, or raise what it raised.

        Raises:
            TimeoutError: not done within ``timeout_s``; the coroutine is cancelled.
            RuntimeError: called from the loop itself, where waiting would stop everything.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("Bridge.run waits for the loop and cannot be called on it; await the coroutine instead")
        future = self.submit(coroutine)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def close(self) -> None:
        """Stop the loop after what is running has been cancelled."""
        if self.loop.is_closed():
            return
        self.run(self._cancel_all(), timeout_s=10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=10)

    async def _cancel_all(self) -> None:
        await end_tasks(*(task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()))


_bridge: Bridge | None = None
_lock = threading.Lock()


def get_bridge() -> Bridge:
    """The process-wide bridge, started on first use."""
    global _bridge
    with _lock:
        if _bridge is None or _bridge.loop.is_closed():
            _bridge = Bridge()
        return _bridge
