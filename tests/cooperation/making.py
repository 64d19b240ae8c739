"""Cooperations over sources that act as a test says."""

from __future__ import annotations

import asyncio
from typing import Any

from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import CooperationSpec, checked_spec
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store

PATIENCE_S = 30.0
QUESTION = "How many legs have 3 cats?"


def spec_of(mode: str, *targets: str, **more: Any) -> CooperationSpec:
    """A cooperation of these; ``weights`` are those of the members, in their order."""
    weights = more.pop("weights", [None] * len(targets))
    members = tuple({"target": t, "weight": w} for t, w in zip(targets, weights, strict=True))
    return checked_spec(**{"mode": mode, "members": members, "question": QUESTION, **more})


class Cooperating:
    """Runs on a store of their own."""

    def __init__(self, store: Store, source: TextSource) -> None:
        self.runs = RunRegistry(store, save_interval_s=0.02)
        self.registry = CooperationRegistry(self.runs, source)

    async def done(self, mode: str, *targets: str, **more: Any) -> CooperationSnapshot:
        """One from its start to its end."""
        run = await self.registry.start(spec_of(mode, *targets, **more))
        async with asyncio.timeout(PATIENCE_S):
            await run.wait()
        return run.snapshot()
