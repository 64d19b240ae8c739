"""Services over sources that act as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.sources import Documents, ServiceSources
from multi_llm_comparator.applications.spec import spec_of
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.gateways import answer

PATIENCE_S = 60.0
REPORT = """Report

Results:
- Revenue rose by 28% to 12.5 million
- Profit rose by 35% to 1.8 million

Challenges:
- Raw materials cost 12% more
"""


class Replies:
    """A model that answers what ``reply`` makes of a prompt; asked for None, it hangs."""

    def __init__(self, reply: Callable[[str], str | Exception | None]) -> None:
        self.reply, self.asked = reply, list[GenerationRequest]()

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.asked.append(request)
        text = self.reply(request.messages[-1].content)
        if isinstance(text, Exception):
            raise text
        if text is None:
            await asyncio.Event().wait()
        assert text is not None
        async for event in answer(request, text):
            yield event


class Working:
    """Runs on a store of their own."""

    def __init__(self, store: Store, source: Replies, folder: Path, *, in_flight: int = 4) -> None:
        self.source = source
        self.runs = RunRegistry(store, save_interval_s=0.02)
        self.documents = Documents(folder)
        self.sources = ServiceSources(source, self.documents, in_flight=in_flight)
        self.registry = ServiceRegistry(self.runs, self.sources)

    async def begun(self, service: str, content: str | bytes, **parameters: Any) -> ServiceRun:
        data = content.encode() if isinstance(content, str) else content
        return await self.registry.start(spec_of(service, {"model": "m", **parameters}), data)

    async def done(self, service: str, content: str | bytes, **parameters: Any) -> ServiceSnapshot:
        """One from its start to its end."""
        run = await self.begun(service, content, **parameters)
        async with asyncio.timeout(PATIENCE_S):
            await run.wait()
        return run.snapshot()
