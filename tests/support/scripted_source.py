"""A source of text whose every event a test decides: nothing happens until the test says so, and it can wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Started, TextDelta
from multi_llm_comparator.core.requests import GenerationRequest

PATIENCE_S = 20.0


class Call:
    """One request that reached the source. Each method returns when the reader has taken the event."""

    def __init__(self, target: str, request: GenerationRequest) -> None:
        self.target, self.request = target, request
        self.closed = asyncio.Event()
        self._queue: asyncio.Queue[tuple[Event | BaseException | None, asyncio.Event]] = asyncio.Queue()
        self._tokens = 0

    async def emit(self, event: Event | BaseException | None) -> None:
        """Send an event, raise an exception, or (None) end without a last event."""
        taken = asyncio.Event()
        self._queue.put_nowait((event, taken))
        waits = [asyncio.ensure_future(taken.wait()), asyncio.ensure_future(self.closed.wait())]
        done, pending = await asyncio.wait(waits, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        assert done, f"nobody read {event!r}"

    async def start(self, *, seed: int | None = 7, prompt_tokens: int = 5) -> None:
        prompt = "\n".join(message.content for message in self.request.messages)
        seed = seed if self.request.config.seed is None else self.request.config.seed
        await self.emit(Started(request_id=self.request.id, prompt_tokens=prompt_tokens, prompt=prompt, seed=seed))

    async def say(self, *pieces: str) -> None:
        for piece in pieces:
            self._tokens += 1
            await self.emit(TextDelta(request_id=self.request.id, text=piece, tokens=self._tokens))

    async def finish(self, reason: FinishReason = "stop") -> None:
        tokens = self._tokens
        await self.emit(
            Finished(request_id=self.request.id, reason=reason, prompt_tokens=5, completion_tokens=tokens, at=now())
        )

    async def fail(self, message: str = "the model's process died", error_type: str = "ModelProcessDied") -> None:
        await self.emit(Failed(request_id=self.request.id, error_type=error_type, message=message))

    async def answer(self, *pieces: str) -> None:
        """A whole answer at once."""
        await self.start()
        await self.say(*pieces)
        await self.finish()

    async def events(self) -> AsyncGenerator[Event, None]:
        try:
            while True:
                event, taken = await self._queue.get()
                if event is None:
                    return
                if isinstance(event, BaseException):
                    raise event
                yield event
                taken.set()
        finally:
            self.closed.set()


class ScriptedSource:
    """A TextSource. ``calls`` are all requests so far, oldest first."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._arrived = asyncio.Condition()

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        call = Call(target, request)
        self.calls.append(call)
        async with self._arrived:
            self._arrived.notify_all()
        events = call.events()
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()
            call.closed.set()

    async def call(self, number: int) -> Call:
        """The request with this number, counted from 0, as soon as it is there."""
        async with asyncio.timeout(PATIENCE_S), self._arrived:
            await self._arrived.wait_for(lambda: len(self.calls) > number)
        return self.calls[number]

    async def next_calls(self, count: int, after: int = 0) -> list[Call]:
        """``count`` requests, leaving out the first ``after``."""
        await self.call(after + count - 1)
        return self.calls[after : after + count]
