"""Whose image a step reads, and whether it finds room in the context's memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multi_llm_comparator.core.events import Event, Reading
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.inferencers.gguf_answer import GgufAnswer
from multi_llm_comparator.inferencers.gguf_runtime import error_log
from multi_llm_comparator.inferencers.gguf_sight import GgufSight
from multi_llm_comparator.inferencers.gguf_slots import SlotTable
from multi_llm_comparator.inferencers.gguf_tokens import overflow

NO_ROOM = 1
# Room for so many tokens is left to those that are being written when a prompt with an image goes on, or a paused
# answer comes back.
MARGIN_TOKENS = 64


class ImageTurns:
    """Reads the images of prompts, one in a step; ``sight`` is None where the model does not see.

    Args:
        slots: the sequences of the shared context, which has room for ``cells`` tokens.
        n_ctx: tokens of one request at most.
    """

    def __init__(self, sight: GgufSight | None, slots: SlotTable, cells: int, n_ctx: int) -> None:
        self._sight, self._slots, self._cells, self._n_ctx = sight, slots, cells, n_ctx

    def next_of(self, answers: list[GgufAnswer]) -> GgufAnswer | None:
        """The first answer whose prompt has come to an image that finds room, or that nobody will ever leave room."""
        if self._sight is None:
            return None
        return next((answer for answer in answers if self._may_read(answer, answers)), None)

    def read(self, answer: GgufAnswer, context: Any) -> list[Event]:
        """Have the model in ``context`` read the image that is next.

        Raises:
            InferenceError: it could not; half of the image may be in memory.
        """
        image = answer.image_ahead
        assert image is not None and self._sight is not None
        if code := self._sight.evaluate(image, context, answer.slot.sequence):
            raise overflow(f"{image.n_rows} tokens in one image", self._n_ctx) if code == NO_ROOM else failed(code)
        answer.slot.tokens += answer.prompt[image.start : image.start + image.n_places]
        return [] if answer.is_paused else [Reading(request_id=answer.request.id, tokens=len(answer.slot.tokens))]

    def _may_read(self, answer: GgufAnswer, answers: Iterable[GgufAnswer]) -> bool:
        image = answer.image_ahead
        if image is None or not answer.is_started or answer.slot.awaits is not None:
            return False
        if answer.own is not None:
            return True
        wanted = image.n_rows + MARGIN_TOKENS
        while self._slots.held_tokens + wanted > self._cells and self._slots.evict():
            pass
        has_room = self._slots.held_tokens + wanted <= self._cells
        return has_room or not any(other.is_decoding for other in answers)


def failed(code: int) -> InferenceError:
    """What to say where llama.cpp gave up on a batch, or on an image."""
    return InferenceError(
        f"llama.cpp failed to decode (code {code}): {error_log.text or 'it gives no reason'}; ask again, and if that "
        "fails too, load the model with a shorter context or take another quantization of it"
    )
