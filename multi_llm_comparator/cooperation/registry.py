"""Cooperations as a kind of run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from multi_llm_comparator.cooperation.documents import KIND, CooperationDocument, read_call
from multi_llm_comparator.cooperation.export import export_cooperation
from multi_llm_comparator.cooperation.integration import strategy
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.spec import CooperationSpec
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.stored import take_life
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

# What the votes of these targets should count, as far as it was measured.
MeasuredWeights = Callable[[Sequence[str]], Awaitable[Mapping[str, float]]]


async def _nothing_measured(targets: Sequence[str]) -> Mapping[str, float]:
    return {}


class CooperationRegistry(TaskRunKind[CooperationRun]):
    """Cooperations, as a kind of run: starts and resumes them.

    Args:
        runs: where runs live; this kind is made known to it.
        source: who answers by the members' names.
    """

    name, page, exports, run_class = KIND, "cooperate", export_cooperation, CooperationRun

    def __init__(self, runs: RunRegistry, source: TextSource) -> None:
        super().__init__(runs)
        self._source = source
        # Who measures puts this right.
        self.measured: MeasuredWeights = _nothing_measured

    async def start(self, spec: CooperationSpec, *, parent_id: str | None = None) -> CooperationRun:
        """Have members work together; returns at once with the run at work. Votes of members without a weight count
        what was measured, if all of them were.

        Raises:
            ConfigurationError: no integration strategy has this name.
        """
        if spec.integration:
            strategy(spec.integration)
        spec = await self.weighted(spec)
        return await self.begun(CooperationRun(self._source, spec, run_id=new_run_id()), parent_id=parent_id)

    async def weighted(self, spec: CooperationSpec) -> CooperationSpec:
        """With measured weights, where a vote is held and nobody has a weight of its own. In a cascade the small ones
        have to agree, each alike: weights of a vote with the large one would leave most of them out."""
        targets = [member.target for member in spec.members]
        if spec.mode != "voting" or any(m.weight is not None for m in spec.members):
            return spec
        found = await self.measured(targets)
        if not all(target in found for target in targets):
            return spec
        members = tuple(member.model_copy(update={"weight": found[member.target]}) for member in spec.members)
        return spec.model_copy(update={"members": members})

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> CooperationRun:
        document = CooperationDocument.read(record)
        run = CooperationRun(self._source, document.spec, run_id=record.id)
        take_life(run, document)
        run.outcome, run.counts = document.outcome, {count.round: count for count in document.counts}
        for item in sorted(items, key=lambda item: item.position):
            call = read_call(item)
            run.calls[call.key] = call
        return run
