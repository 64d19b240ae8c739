"""Asking for one answer: from a stream of events, whatever its source does, to an answer that is over."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from multi_llm_comparator.core.events import WRITTEN, Event, Failed, Finished, TextDelta, ThoughtDelta, ToolCallDelta
from multi_llm_comparator.core.exceptions import EmptyAnswerError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, TextSource
from multi_llm_comparator.core.timings import AnswerProgress

logger = logging.getLogger(__name__)

NOT_A_WORD = "the model ended its answer without a word"
# No model writes as much; an endpoint can, and whoever reads an answer looks at all of it.
MAX_ANSWER_CHARS = 1_000_000
ONLY_THOUGHT = "the model came to its end while it was thinking; give it more tokens, or its thoughts a budget"
_TOO_LONG = f"the answer grew beyond {MAX_ANSWER_CHARS:,} characters and was cut off; lower max_tokens"


def broken_off(target: str) -> str:
    """Said of an answer that ended without a last event."""
    return f"the answer of {target!r} broke off without saying why; retry, or see the log"


async def answer_events(source: TextSource, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
    """The events of one answer, of which the last one always is ``Finished`` or ``Failed``.

    A source that raises, or ends without a last event, has failed; so has an answer that the model ended without a word
    in it, unless it continues one that had some, and one that grows beyond ``MAX_ANSWER_CHARS``. Closing this closes
    the source's iterator, which cancels the request.
    """
    said, thought, chars = request.continue_final, False, 0
    try:
        async with _closing(source.stream(target, request)) as events:
            async for event in events:
                if isinstance(event, WRITTEN):
                    chars += len(event.text)
                if chars > MAX_ANSWER_CHARS:
                    yield _failed(request, "InferenceError", _TOO_LONG)
                    return
                if isinstance(event, TextDelta):
                    said = said or bool(event.text.strip()) or isinstance(event, ToolCallDelta)
                thought = thought or isinstance(event, ThoughtDelta)
                if isinstance(event, Finished) and event.reason != "cancelled" and not said:
                    why = ONLY_THOUGHT if thought else NOT_A_WORD
                    event = _failed(request, EmptyAnswerError.__name__, why, at=event.at)
                yield event
                if isinstance(event, Finished | Failed):
                    return
        yield _failed(request, "InferenceError", broken_off(target))
    except MultiLLMError as exc:
        yield _failed(request, type(exc).__name__, str(exc))
    except Exception as exc:  # Whatever stands behind a name may raise anything; it ends this one answer.
        logger.exception("request %s of run %s to %r failed", request.id, request.run_id or "-", target)
        message = f"{target!r} failed unexpectedly ({type(exc).__name__}: {exc}); retry, or see the log"
        yield _failed(request, "InferenceError", message)


async def ask(
    source: TextSource,
    target: str,
    request: GenerationRequest,
    progress: AnswerProgress,
    on_event: Callable[[Event], None] = lambda event: None,
) -> AnswerProgress:
    """Ask, and fold the events into ``progress`` until it is over; it is given back.

    Args:
        source: what answers.
        target: the name that is asked.
        request: what is asked.
        progress: where the answer grows.
        on_event: called with each event, once it is folded in.
    """
    async with contextlib.aclosing(answer_events(source, target, request)) as events:
        async for event in events:
            progress.apply(event)
            on_event(event)
    return progress


def _failed(request: GenerationRequest, kind: str, message: str, *, at: float | None = None) -> Failed:
    failed = Failed(request_id=request.id, error_type=kind, message=message)
    return failed if at is None else Failed(request_id=request.id, error_type=kind, message=message, at=at)


@contextlib.asynccontextmanager
async def _closing(stream: AsyncIterator[Event]) -> AsyncGenerator[AsyncIterator[Event], None]:
    try:
        yield stream
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()
