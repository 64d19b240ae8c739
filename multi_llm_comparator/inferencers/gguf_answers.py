"""The answers that an engine writes at a time, and what is to be told of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Reading, Started
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.inferencers.gguf_adapters import AnswerAdapter
from multi_llm_comparator.inferencers.gguf_answer import Answer
from multi_llm_comparator.inferencers.gguf_slots import SlotTable

# What a batch holds: whose tokens, and the row that their last one is in if it is to be sampled from.
Rows = Sequence[tuple[Answer, list[int], int | None]]


class Answers:
    """Those that have a slot, in the order in which they began; each gives its place back to ``slots`` or its lane."""

    def __init__(self, slots: SlotTable) -> None:
        self._slots = slots
        self._answers: list[Answer] = []
        self._events: list[Event] = []

    def __iter__(self) -> Iterator[Answer]:
        return iter(self._answers)

    def __bool__(self) -> bool:
        return bool(self._answers)

    @property
    def has_news(self) -> bool:
        return bool(self._events)

    @property
    def tells_of_beginnings(self) -> bool:
        """Whether it is still to be told that an answer begins."""
        return any(isinstance(event, Started) for event in self._events)

    def shared(self, group: AnswerAdapter | None) -> list[Answer]:
        """Those that are written together: llama.cpp computes one adapter at a time."""
        return [answer for answer in self._answers if answer.lane is None and answer.adapter == group]

    def alone(self) -> list[Answer]:
        """Those that are to come out the same each time, in a context of their own."""
        return [answer for answer in self._answers if answer.lane is not None]

    def add(self, answer: Answer) -> None:
        self._answers.append(answer)

    def tell(self, *events: Event) -> None:
        self._events += events

    def told(self) -> list[Event]:
        """What is to be told by now; it is not told again."""
        events, self._events = self._events, []
        return events

    def sample(self, context: Any, rows: Rows) -> None:
        """Take one token of each row that a batch has computed."""
        for answer, run, row in rows:
            answer.slot.tokens += run
            if row is None and answer.is_paused:
                continue
            if row is None:
                self.tell(Reading(request_id=answer.request.id, tokens=len(answer.slot.tokens)))
                continue
            try:
                token = answer.sampler.pick(context, row, answer.matcher)
            except InferenceError as exc:
                # What is kept of a text whose values are no numbers would spoil the next answer that begins like it.
                self.fail(answer, exc)
                continue
            told, reason = answer.accept(token)
            self.tell(*told)
            if reason is not None:
                self.end(answer, reason)

    def pause(self, answer: Answer) -> None:
        """Give an answer's place to the others: it reads its text again once there is room, and goes on."""
        answer.pause()
        self._slots.clear(answer.slot)

    def cancel(self, request_id: str) -> bool:
        """End the answer to this request; False if there is none."""
        for answer in self._answers:
            if answer.request.id == request_id:
                self.end(answer, "cancelled")
                return True
        return False

    def end(self, answer: Answer, reason: FinishReason) -> None:
        self._drop(answer)
        self.tell(*answer.finished(reason))

    def fail(self, answer: Answer, error: MultiLLMError) -> None:
        """Nothing of it is used again."""
        self._drop(answer, forget=True)
        self.refuse(answer.request.id, error)

    def refuse(self, request_id: str, error: MultiLLMError) -> None:
        """A request that has no answer here fails."""
        self.tell(Failed(request_id=request_id, error_type=type(error).__name__, message=str(error)))

    def leave_unbegun(self, request_id: str) -> None:
        """A request was called off before its answer had begun."""
        self.tell(Finished(request_id=request_id, reason="cancelled", prompt_tokens=0, completion_tokens=0))

    def _drop(self, answer: Answer, *, forget: bool = False) -> None:
        """Give its place to others; ``forget`` leaves nothing there to be used again."""
        self._answers.remove(answer)
        answer.sampler.close()
        if answer.lane is not None:
            answer.lane.release(forget=forget)
        else:
            self._slots.release(answer.slot, forget=forget)

    def close(self) -> None:
        for answer in self._answers:
            answer.sampler.close()
        self._answers.clear()
