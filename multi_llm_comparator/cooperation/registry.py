"""Cooperations as a kind of run."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence

from multi_llm_comparator.cooperation.documents import KIND, read_call, read_run
from multi_llm_comparator.cooperation.export import FORMATS, export_cooperation
from multi_llm_comparator.cooperation.integration import strategy
from multi_llm_comparator.cooperation.recording import RecordedCooperation
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.spec import CooperationSpec
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

# What the votes of these targets should count, as far as it was measured.
MeasuredWeights = Callable[[Sequence[str]], Awaitable[Mapping[str, float]]]


async def _nothing_measured(targets: Sequence[str]) -> Mapping[str, float]:
    return {}


class CooperationRegistry:
    """Cooperations, as a kind of run: starts and resumes them.

    Args:
        runs: where runs live; this kind is made known to it.
        source: who answers by the members' names.
    """

    name, page, formats = KIND, "cooperate", FORMATS

    def __init__(self, runs: RunRegistry, source: TextSource) -> None:
        self.runs, self._source = runs, source
        # Who measures puts this right.
        self.measured: MeasuredWeights = _nothing_measured
        runs.register(self)

    async def start(self, spec: CooperationSpec, *, parent_id: str | None = None) -> CooperationRun:
        """Have members work together; returns at once with the run at work. Votes of members without a weight count
        what was measured, if all of them were.

        Raises:
            ConfigurationError: no integration strategy has this name.
        """
        if spec.integration:
            strategy(spec.integration)
        spec = await self.weighted(spec)
        run = self._recorded(CooperationRun(self._source, spec, run_id=uuid.uuid4().hex[:12]), parent_id=parent_id)
        await run.save()
        run.begin()
        self.runs.adopt(run)
        return run

    async def weighted(self, spec: CooperationSpec) -> CooperationSpec:
        """With measured weights, where a mode counts votes and nobody has a weight of its own."""
        targets = [member.target for member in spec.members]
        if spec.mode not in ("voting", "cascade") or any(m.weight is not None for m in spec.members):
            return spec
        found = await self.measured(targets)
        if not all(target in found for target in targets):
            return spec
        members = tuple(member.model_copy(update={"weight": found[member.target]}) for member in spec.members)
        return spec.model_copy(update={"members": members})

    async def get(self, run_id: str) -> CooperationRun:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, CooperationRun)

    async def resume(self, run_id: str) -> CooperationRun:
        """Ask who has not answered yet, also who failed. See :meth:`RunRegistry.resume`."""
        return await self.runs.resume(run_id, CooperationRun)

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(export_cooperation, snapshot, format, language)

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> CooperationRun:
        document = read_run(record)
        run = CooperationRun(self._source, document.spec, run_id=record.id)
        run.created_at, run.ended_at, run.error = document.created_at, document.ended_at, document.error
        run.outcome, run.counts = document.outcome, {count.round: count for count in document.counts}
        run.state, run.phase = document.state, document.phase
        for item in sorted(items, key=lambda item: item.position):
            call = read_call(item)
            run.calls[call.key] = call
        if record.status == "interrupted":
            run.state, run.phase = "interrupted", ""
        return self._recorded(run, record)

    def _recorded(
        self, run: CooperationRun, record: RunRecord | None = None, *, parent_id: str | None = None
    ) -> CooperationRun:
        run.recorder = self.runs.recorder(RecordedCooperation(run), record, parent_id=parent_id)
        return run
