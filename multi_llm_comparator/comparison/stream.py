"""Reading one answer's stream so that nothing a source does can reach beyond that answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable

from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, TextSource

logger = logging.getLogger(__name__)


def broken_off(target: str) -> str:
    """Said of an answer that ended without a last event."""
    return f"the answer of {target!r} broke off without saying why; retry, or see the log"


async def read_stream(
    source: TextSource, target: str, request: GenerationRequest, take: Callable[[Event], bool]
) -> None:
    """Hand every event to ``take``, until it wants no more: it returns whether the answer goes on.

    A source that raises, or ends without a last event, becomes a ``Failed`` like any other. Cancelling closes the
    source's iterator, which cancels the request.
    """

    def fail(kind: str, message: str) -> None:
        take(Failed(request_id=request.id, error_type=kind, message=message))

    try:
        if not await _read(source.stream(target, request), take):
            fail("InferenceError", broken_off(target))
    except MultiLLMError as exc:
        fail(type(exc).__name__, str(exc))
    except Exception as exc:  # Whatever stands behind a name may raise anything; it ends this one answer.
        logger.exception("request %s to %r failed", request.id, target)
        fail("InferenceError", f"{target!r} failed unexpectedly ({type(exc).__name__}: {exc}); retry, or see the log")


async def _read(stream: AsyncIterator[Event], take: Callable[[Event], bool]) -> bool:
    try:
        async for event in stream:
            if not take(event):
                return True
        return False
    finally:
        close = getattr(stream, "aclose", None)
        if close is not None:
            await close()
