"""Reading documents from the app, each in a child process of its own, whose memory and time are bounded."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from multi_llm_comparator.applications.reading.bounds import (
    MAX_CPU_S,
    MAX_FILE_BYTES,
    MAX_LINE_BYTES,
    MAX_MEMORY_BYTES,
    MAX_READERS,
    MAX_WALL_S,
    too_large,
    too_much_memory,
)
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.child_process import child_environment

# Of each event loop: a program may have several, one after another.
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
# Its libraries compute little; threads of their own would only take memory.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


async def read_document(name: str, data: bytes) -> Reading:
    """The pieces of a document.

    Raises:
        DocumentError: it cannot be read; the message says why, and what to do.
    """
    found = await ask_child({"op": "read", "name": name}, data)
    return Reading.model_validate(found["reading"])


async def read_image(name: str, data: bytes) -> StoredImage:
    """An image as it is kept and asked with; raises as :func:`read_document`."""
    found = await ask_child({"op": "image", "name": name}, data)
    return StoredImage(**found["image"]).check()


def places() -> asyncio.Semaphore:
    """Those of the processes that read, of whoever wants one on this event loop: each may take two gigabytes."""
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(MAX_READERS))


async def ask_child(request: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    """Have a child process do what :mod:`applications.reading.child` can, when its turn has come. Cancelling ends it.

    Raises:
        DocumentError: it refused, took too much memory or time, or ended unexpectedly.
    """
    name = request["name"]
    if len(data) > MAX_FILE_BYTES:
        raise too_large(name, len(data))
    async with places():
        return await _asked_new(request, data)


async def _asked_new(request: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    child = await AskedProcess.start(
        "multi_llm_comparator.applications.reading.child",
        max_line_bytes=MAX_LINE_BYTES,
        environment=child_environment(_ONE_THREAD),
    )
    try:
        async with asyncio.timeout(MAX_WALL_S):
            return await _asked(child, request, data)
    except TimeoutError as exc:
        raise DocumentError(
            f"{request['name']!r} took longer than {MAX_WALL_S / 60:.0f} minutes to be read; split it"
        ) from exc
    finally:
        await child.end()


async def _asked(child: AskedProcess, request: Mapping[str, Any], data: bytes) -> dict[str, Any]:
    name = request["name"]
    try:
        found = await child.ask(request, data=data, max_bytes=MAX_MEMORY_BYTES)
    except ValueError as exc:
        raise DocumentError(f"{name!r} has more text than is read at once; split it") from exc
    if found is None:
        raise DocumentError(_why_it_ended(await child.ended(), name, child.took_bytes is not None))
    return found


def _why_it_ended(code: int, name: str, was_too_large: bool) -> str:
    if was_too_large or code == -signal.SIGKILL:
        return too_much_memory(name)
    if code == -getattr(signal, "SIGXCPU", 0):
        return f"{name!r} takes more than {MAX_CPU_S} seconds of computing to be read; split it"
    return f"the process that read {name!r} ended unexpectedly ({code}); save the file anew, or as text"
