"""The synchronous view of many streams: one dictionary of results that grows."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import InferenceResult, InferenceStats, ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.services.bridge import get_bridge

# A reader that pauses lets this many updates wait; the streams then wait with it.
WAITING_UPDATES = 256

Update = tuple[str, AnswerProgress] | None


def iterate_results(
    source: TextSource, prompt: str, models: Sequence[ModelInfo], configs: Mapping[str, ModelConfig]
) -> Iterator[dict[str, InferenceResult]]:
    """Run all models at once and yield every model's result so far after each piece of news."""
    results = {m.id: InferenceResult(m.id, "", False, None, InferenceStats(start_time=now())) for m in models}
    updates: queue.Queue[Update] = queue.Queue(WAITING_UPDATES)
    running = get_bridge().submit(_run_all(source, prompt, models, configs, updates))
    try:
        while (update := updates.get()) is not None:
            model_id, progress = update
            results[model_id] = _result(model_id, progress)
            yield dict(results)
        running.result()
    finally:
        running.cancel()
        # Make room, so that the writer's last word does not wait for a reader who has left.
        with contextlib.suppress(queue.Empty):
            while True:
                updates.get_nowait()
    if not models:
        yield results


async def _run_all(
    source: TextSource,
    prompt: str,
    models: Sequence[ModelInfo],
    configs: Mapping[str, ModelConfig],
    updates: queue.Queue[Update],
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for model in models:
                group.create_task(_run_one(source, prompt, model, configs.get(model.id, ModelConfig()), updates))
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await _put(updates, None)


async def _run_one(
    source: TextSource, prompt: str, model: ModelInfo, config: ModelConfig, updates: queue.Queue[Update]
) -> None:
    request = GenerationRequest(messages=(Message("user", prompt),), config=config)
    progress = AnswerProgress(requested_at=now())
    async for event in source.stream(model.id, request):
        progress.apply(event)
        await _put(updates, (model.id, replace(progress)))


async def _put(updates: queue.Queue[Update], update: Update) -> None:
    while True:
        try:
            return updates.put_nowait(update)
        except queue.Full:
            await asyncio.sleep(0.01)


def _result(model_id: str, progress: AnswerProgress) -> InferenceResult:
    start = progress.requested_at
    stats = InferenceStats(start, progress.ended_at, progress.tokens, memory_usage=progress.memory_bytes)
    stats.tokens_per_second = progress.tokens_per_second
    began = progress.started_at or start + (progress.load_s or 0.0)
    if stats.tokens_per_second is None and stats.end_time is not None and stats.end_time > began:
        # A single token has no decoding speed of its own: it is taken with the reading of the prompt, loading left out.
        stats.tokens_per_second = progress.tokens / (stats.end_time - began)
    return InferenceResult(model_id, progress.text, progress.is_over, progress.error, stats)
