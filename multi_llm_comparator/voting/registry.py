"""Sessions of votes as a kind of run."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Sequence

from multi_llm_comparator.comparison.provenance import Fingerprint, Fingerprints, ModelLookup
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunFilter, RunRecord
from multi_llm_comparator.voting.documents import KIND, read_run, read_turn
from multi_llm_comparator.voting.export import FORMATS, export_votes
from multi_llm_comparator.voting.recording import RecordedVotes
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import VotingSpec
from multi_llm_comparator.voting.vote_run import VoteRun

# A ranking over all sessions is made of so many of the latest.
MAX_SESSIONS = 50


class VoteRegistry:
    """Sessions of votes, as a kind of run: starts and resumes them, and tells what all of them found.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers; a contestant's target is whatever it has a name for.
        models: finds a model by id or name, quickly. None for what is no local model.
        fingerprint: hashes a model's files; called in a thread, beside the answers.
    """

    name, page, formats = KIND, "vote", FORMATS

    def __init__(
        self,
        runs: RunRegistry,
        source: TextSource,
        models: ModelLookup = lambda target: None,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        self.runs, self._source, self._models = runs, source, models
        self._fingerprints = Fingerprints(fingerprint) if fingerprint else None
        runs.register(self)

    async def start(self, spec: VotingSpec, *, parent_id: str | None = None) -> VoteRun:
        """Have the first answers written; returns at once with the run at work. Seed 0 draws one."""
        if not spec.seed:
            spec = spec.model_copy(update={"seed": 1 + secrets.randbelow(2**62)})
        run = self._recorded(self._new(spec, uuid.uuid4().hex[:12]), parent_id=parent_id)
        await run.save()
        run.begin()
        self.runs.adopt(run)
        return run

    async def get(self, run_id: str) -> VoteRun:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, VoteRun)

    async def resume(self, run_id: str) -> VoteRun:
        """Go on where a session was left. See :meth:`RunRegistry.resume`."""
        return await self.runs.resume(run_id, VoteRun)

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(export_votes, snapshot, format, language)

    async def all_sessions(self) -> list[VotingSnapshot]:
        """The latest sessions, as they are now; those that cannot be read are left out."""
        found = []
        for summary in await self.runs.list(RunFilter(kind=KIND), MAX_SESSIONS):
            try:
                found.append((await self.get(summary.id)).snapshot())
            except MultiLLMError:
                continue
        return found

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> VoteRun:
        document = read_run(record)
        run = self._new(document.spec, record.id)
        run.created_at, run.ended_at, run.error = document.created_at, document.ended_at, document.error
        run.facts, run.versions = document.facts, document.versions
        run.state, run.phase = document.state, document.phase
        for item in items:
            turn = read_turn(item.record, run.spec, f"turn {item.key!r} of run {record.id!r}")
            run.turns[turn.number] = turn
        if record.status == "interrupted":
            run.state, run.phase = "interrupted", ""
        return self._recorded(run, record)

    def _new(self, spec: VotingSpec, run_id: str) -> VoteRun:
        return VoteRun(self._source, spec, run_id=run_id, models=self._models, fingerprints=self._fingerprints)

    def _recorded(self, run: VoteRun, record: RunRecord | None = None, *, parent_id: str | None = None) -> VoteRun:
        run.recorder = self.runs.recorder(RecordedVotes(run), record, parent_id=parent_id)
        return run
