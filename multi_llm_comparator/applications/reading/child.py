"""The process that reads one document: strangers' files, and libraries that the app must not load.

Started by :mod:`applications.reading.process` with ``python -m``. A line of JSON comes on standard input, then the
document's bytes; one line goes back: ``result`` or ``error``.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from multi_llm_comparator.applications.reading.bounds import MAX_CPU_S, MAX_MEMORY_BYTES, too_much_memory
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.services.lines_to_app import answer, requests

# Behind the models that answer.
NICENESS = 5


def bound_itself() -> None:
    """Give up memory and computing time beyond the bounds, where the system knows such bounds."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S + 5))
    # Linux counts what a process has for itself; elsewhere the app's watch alone ends it.
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def done(request: dict[str, Any], data: bytes) -> dict[str, Any]:
    """What was asked of a document, or of an image."""
    if request["op"] == "image":
        from multi_llm_comparator.applications.reading.images import prepared_image

        return {"image": asdict(prepared_image(request["name"], data))}
    from multi_llm_comparator.applications.reading.read import read

    found = read(request["name"], data)
    match request["op"]:
        case "read":
            return {"reading": found.reading.model_dump(mode="json")}
        case "insight":
            from multi_llm_comparator.applications.insight.data import data_of

            return {"data": data_of(found).model_dump(mode="json")}
        case op:
            raise DocumentError(f"there is no operation {op!r}")


def main() -> None:
    request = next(requests(NICENESS))
    bound_itself()
    answer(lambda: done(request, sys.stdin.buffer.read()), DocumentError, lambda exc: _explained(exc, request["name"]))


def _explained(exc: Exception, name: str) -> str:
    if isinstance(exc, MemoryError):
        return too_much_memory(name)
    return f"{name!r} could not be read: {type(exc).__name__}: {str(exc)[:300]}; the log has the details"


if __name__ == "__main__":
    main()
