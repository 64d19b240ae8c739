"""Running a user's own inferencer, which knows nothing of events or loops, as one stream of events.

It is ordinary blocking code of the user's, so it runs in a worker thread of asyncio's: the only code that does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import asdict

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Event, Finished, FinishReason, Loaded, Loading, Started, TextDelta
from multi_llm_comparator.core.exceptions import InferenceError, ModelLoadError, ToolsRefusedError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.inferencers.base import BaseInferencer

InferencerFactory = Callable[[ModelInfo], BaseInferencer | None]

log = logging.getLogger(__name__)

# Loads that were left; the loop itself holds its tasks only weakly.
_left: set[asyncio.Task[None]] = set()


async def stream_custom(
    inferencer: BaseInferencer, model: ModelInfo, request: GenerationRequest
) -> AsyncGenerator[Event, None]:
    """Load, answer, unload. A piece of text counts as one token, since the inferencer tells nothing finer.

    An unloading that fails only goes to the log: by then the answer is whole, or has failed for another reason.

    Raises:
        ModelLoadError, InferenceError: whatever the inferencer raised, translated.
        ToolsRefusedError: the request has tools.
    """
    if request.offered_tools:
        raise ToolsRefusedError(f"{model.name!r} is run by an inferencer without tools; ask without, or another model")
    yield Loading(request_id=request.id, model=model.name)
    start = now()
    await _load(inferencer, model, request)
    try:
        yield Loaded(request_id=request.id, model=model.name, seconds=now() - start)
        notes = request.notes(is_free=True, is_promised=False)
        yield Started(request_id=request.id, prompt_tokens=0, prompt=request.messages[-1].content, notes=notes)
        count = 0
        async for text in _pieces(inferencer, model, request):
            count += 1
            yield TextDelta(request_id=request.id, text=text, tokens=count)
        reason: FinishReason = "length" if count >= request.config.max_tokens else "stop"
        yield Finished(request_id=request.id, reason=reason, prompt_tokens=0, completion_tokens=count)
    finally:
        await _unload(inferencer, model)


async def _load(inferencer: BaseInferencer, model: ModelInfo, request: GenerationRequest) -> None:
    loading = asyncio.create_task(asyncio.to_thread(inferencer.load_model, model.path, asdict(request.config)))
    try:
        await asyncio.shield(loading)
    except asyncio.CancelledError:
        # A thread cannot be stopped: what it still loads would stay in memory for good.
        leaving = asyncio.create_task(_unload_when_through(loading, inferencer, model))
        _left.add(leaving)
        leaving.add_done_callback(_left.discard)
        raise
    except Exception as exc:
        raise ModelLoadError(f"the inferencer for {model.name!r} could not load it: {exc}") from exc


async def _unload_when_through(loading: asyncio.Task[None], inferencer: BaseInferencer, model: ModelInfo) -> None:
    await asyncio.wait({loading})
    if loading.cancelled() or loading.exception() is not None:
        return
    await _unload(inferencer, model)


async def _unload(inferencer: BaseInferencer, model: ModelInfo) -> None:
    try:
        await asyncio.to_thread(inferencer.unload_model)
    except Exception:
        log.exception("the inferencer for %r could not unload it", model.name)


async def _pieces(
    inferencer: BaseInferencer, model: ModelInfo, request: GenerationRequest
) -> AsyncGenerator[str, None]:
    done = object()
    try:
        # A method that only passes returns None: an empty answer.
        prompt = request.messages[-1].content
        # In the thread as well: a plain function may do all its work before it returns an iterator.
        pieces: Iterator[str] = await asyncio.to_thread(lambda: iter(inferencer.generate_stream(prompt) or ()))
        for _ in range(request.config.max_tokens):
            text = await asyncio.to_thread(next, pieces, done)
            if text is done:
                return
            yield str(text)
    except Exception as exc:
        raise InferenceError(f"the inferencer for {model.name!r} failed: {exc}") from exc
