"""Sessions of votes over a store and a source that a test answers for."""

from __future__ import annotations

import asyncio

from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.turns import VoteTurn
from multi_llm_comparator.voting.vote_run import VoteRun
from tests.support.scripted_source import Call, ScriptedSource

PATIENCE_S = 30.0


class World:
    """A store, a source that a test answers for, and the registry over both."""

    def __init__(self, store: Store) -> None:
        self.store, self.source = store, ScriptedSource()
        self.runs = RunRegistry(store, save_interval_s=0.02)
        self.votes = VoteRegistry(self.runs, self.source)
        self._answered = 0

    async def answer(self, count: int, *, same: bool = False) -> list[Call]:
        """Answer the next requests, each by the name of who is asked."""
        calls = []
        for _ in range(count):
            call = await self.source.call(self._answered)
            self._answered += 1
            await call.answer("the same" if same else f"by {call.target}: {call.request.messages[-1].content}")
            calls.append(call)
        return calls


async def open_turn(run: VoteRun) -> VoteTurn:
    async with asyncio.timeout(PATIENCE_S):
        while (turn := run.snapshot().open_turn) is None:
            await asyncio.sleep(0.01)
    return turn


async def until(run: VoteRun, phase: str) -> VotingSnapshot:
    async with asyncio.timeout(PATIENCE_S):
        while run.snapshot().phase != phase:
            await asyncio.sleep(0.01)
    return run.snapshot()
