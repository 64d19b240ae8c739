"""The synchronous view of answers; whole runs of it are in test_api_examples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Event, Finished, Loaded, Started, TextDelta
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.services.results import iterate_results

MODEL = ModelInfo("m", "m", "/models/m", ModelType.CUSTOM, 1, {})


class OneToken:
    """Loads for 100 s, reads the prompt for 1 s and writes one token in another second."""

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        await asyncio.sleep(0)
        begun = now() + 100
        yield Loaded(request_id=request.id, model="m", seconds=100.0)
        yield Started(request_id=request.id, at=begun, prompt_tokens=1)
        yield TextDelta(request_id=request.id, at=begun + 1, text="4", tokens=1)
        yield Finished(request_id=request.id, at=begun + 2, reason="stop", prompt_tokens=1, completion_tokens=1)


def test_the_speed_of_a_single_token_leaves_loading_out() -> None:
    *_, last = iterate_results(OneToken(), "2 + 2?", [MODEL], {})
    assert last["m"].stats.tokens_per_second == pytest.approx(0.5)
    assert last["m"].stats.duration == pytest.approx(102, abs=1)
