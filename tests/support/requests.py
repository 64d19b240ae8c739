"""Asking an engine in a test, and reading its answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, Queued, Reading, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import Engine

MAX_STEPS = 20_000


def greedy(text: str, *, raw: bool = True, max_tokens: int = 20, **config: Any) -> GenerationRequest:
    """A request that leaves nothing to chance, by default without the chat template."""
    plain = {"temperature": 0, "repeat_penalty": 1.0, "max_tokens": max_tokens, **config}
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig(**plain), raw=raw)


@dataclass
class Reply:
    """What came back for one request."""

    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, TextDelta))

    @property
    def started(self) -> Started:
        (event,) = (e for e in self.events if isinstance(e, Started))
        return event

    @property
    def finished(self) -> Finished:
        """The same, of an answer that did not fail."""
        end = self.end
        assert isinstance(end, Finished), end
        return end

    @property
    def end(self) -> Finished | Failed:
        """The last event; checks that the stream is in order and ends once."""
        kinds = [type(e) for e in self.events]
        assert sum(kind in (Finished, Failed) for kind in kinds) == 1
        order = [Queued, Started, Reading, TextDelta, Finished]
        if kinds[-1] is Finished:
            assert kinds == sorted(kinds, key=order.index)
        end = self.events[-1]
        assert isinstance(end, Finished | Failed)
        return end

    @property
    def reason(self) -> str:
        assert isinstance(self.end, Finished), self.end
        return self.end.reason


def collect(engine: Engine, replies: dict[str, Reply]) -> None:
    """Run the engine until it has nothing to do, sorting its events."""
    for _ in range(MAX_STEPS):
        if not engine.is_busy:
            return
        for event in engine.step():
            replies.setdefault(event.request_id, Reply()).events.append(event)
    raise AssertionError("the engine does not come to an end")


def run(engine: Engine, *requests: GenerationRequest) -> list[Event]:
    """Submit all, run to the end, and return what happened, in order."""
    for request in requests:
        engine.submit(request)
    events: list[Event] = []
    while engine.is_busy:
        events += engine.step()
    return events


def text_of(events: Iterable[Event], request: GenerationRequest) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta) and e.request_id == request.id)


def answer(engine: Engine, *requests: GenerationRequest) -> list[Reply]:
    """Submit all, run to the end, and return their replies in order."""
    replies = {request.id: Reply() for request in requests}
    for request in requests:
        engine.submit(request)
    collect(engine, replies)
    return [replies[request.id] for request in requests]
