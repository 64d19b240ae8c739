from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from multi_llm_comparator.core.asking import MAX_ANSWER_CHARS, ask
from multi_llm_comparator.core.events import Event, Finished, TextDelta, ThoughtDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.timings import AnswerProgress

ASKED = GenerationRequest(messages=(Message("user", "hi"),))


class Long:
    """Writes pieces of a tenth of what is taken, or thinks them."""

    def __init__(self, pieces: int, kind: Any = TextDelta) -> None:
        self.left, self._kind = pieces, kind

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        while self.left:
            self.left -= 1
            yield self._kind(request_id=request.id, text="x" * (MAX_ANSWER_CHARS // 10), tokens=1)
        yield TextDelta(request_id=request.id, text="", tokens=1)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)


@pytest.mark.parametrize("kind", [TextDelta, ThoughtDelta])
async def test_an_answer_beyond_any_models_is_cut_off_and_its_source_ended(kind: Any) -> None:
    endless = Long(1000, kind)
    told = await ask(endless, "m", ASKED, AnswerProgress(requested_at=0.0))
    assert told.state == "failed" and "was cut off" in (told.error or "")
    assert len(told.text) + len(told.thought) == MAX_ANSWER_CHARS and endless.left == 989


async def test_an_answer_as_long_as_is_taken_is_whole() -> None:
    told = await ask(Long(10), "m", ASKED, AnswerProgress(requested_at=0.0))
    assert told.state == "done" and len(told.text) == MAX_ANSWER_CHARS
