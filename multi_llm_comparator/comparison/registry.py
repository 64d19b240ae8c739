"""All comparisons of this workbench: the live ones in memory, the others in the store."""

from __future__ import annotations

import asyncio
import weakref
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from multi_llm_comparator.comparison.branching import first_turns
from multi_llm_comparator.comparison.comparison import Comparison, PlannedTurn
from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import KIND, allowed, conversation_from
from multi_llm_comparator.comparison.importing import import_run
from multi_llm_comparator.comparison.limits import MAX_LIVE, MAX_PANES
from multi_llm_comparator.comparison.pane import Pane, check_panes
from multi_llm_comparator.comparison.provenance import Fingerprint, Fingerprints, ModelLookup
from multi_llm_comparator.comparison.recording import SAVE_INTERVAL_S, Recorder
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.tracking.store import Store


class ComparisonRegistry:
    """Creates, finds and lists comparisons. Its coroutines belong to the event loop on which the comparisons live.

    One workbench at a time (see :mod:`core.home`): a run that another process is just writing looks interrupted from
    here. Should another program change a run nevertheless, what was asked here goes on as a run of its own.

    Args:
        store: where runs are kept.
        source: what answers; a pane's target is whatever it has a name for.
        models: finds a model by id or name, quickly: it is called on the event loop. None for what is no local model.
        fingerprint: hashes a model's files; called in a thread, beside the answer.
        save_interval_s: how often growing text is saved.
    """

    def __init__(
        self,
        store: Store,
        source: TextSource,
        models: ModelLookup,
        fingerprint: Fingerprint | None = None,
        *,
        save_interval_s: float = SAVE_INTERVAL_S,
    ) -> None:
        self._store, self._source, self._models = store, source, models
        self._fingerprints = Fingerprints(fingerprint) if fingerprint else None
        self._save_interval_s = save_interval_s
        # The most recently used last. Whatever a page still holds stays findable after it was dropped from here, so
        # that there are never two live objects of one run.
        self._live: OrderedDict[str, Comparison] = OrderedDict()
        self._held: weakref.WeakValueDictionary[str, Comparison] = weakref.WeakValueDictionary()
        # Ids that runs had until another program changed them, each with the one they go by now.
        self._branched: dict[str, str] = {}
        self._loading = asyncio.Lock()

    async def create(self, panes: Sequence[Pane], *, title: str = "", shared_thread: bool = False) -> Comparison:
        """A new comparison. It enters the store, and so the history, with its first prompt.

        Raises:
            ConfigurationError, InvalidParameterError: see :func:`check_panes`.
        """
        return self._adopt(Conversation(check_panes(panes), title=title, shared_thread=shared_thread))

    async def get(self, run_id: str) -> Comparison:
        """The live comparison of this id, or one rebuilt from the store.

        What was being written when an earlier process ended is marked as interrupted; it can be continued.

        Raises:
            RunNotFoundError: neither live nor stored.
            DocumentError: stored by a newer version, or damaged.
            StoreError: the store cannot be read.
        """
        async with self._loading:
            found = self._live.get(run_id) or self._held.get(run_id)
            if found is None:
                return await self._rebuild(run_id)
            self._keep(found)
            return found

    def branch_of(self, run_id: str) -> str | None:
        """The id under which a run of this process goes on, since another program changed the stored one."""
        return self._branched.get(run_id)

    async def list(self, text: str = "", limit: int = 50, offset: int = 0) -> list[RunSummary]:
        """The stored comparisons, newest first: see :meth:`Store.list_runs`.

        The status of a run that was being written when an earlier process ended reads ``interrupted``.
        """
        found = await asyncio.to_thread(self._store.list_runs, RunFilter(kind=KIND, text=text), limit, offset)
        return [self._seen_from_here(summary) for summary in found]

    async def count(self, text: str = "") -> int:
        return await asyncio.to_thread(self._store.count_runs, RunFilter(kind=KIND, text=text))

    async def delete(self, run_id: str) -> None:
        """Stop a comparison and delete it for good; unknown ids are ignored."""
        async with self._loading:
            found = self._live.pop(run_id, None) or self._held.pop(run_id, None)
            self._held.pop(run_id, None)
            if found is not None:
                await found.discard()
            await asyncio.to_thread(self._store.delete_runs, [run_id])

    async def rerun(self, run_id: str, *, same_seeds: bool = True) -> Comparison:
        """A new comparison with the same panes, which is sent the same prompts, one after the other.

        Each prompt goes to the models that it went to then, with the parameters of then; the panes are as they are now.

        Args:
            run_id: the run to make again.
            same_seeds: ask with the seeds that the answers really had; else as the panes say.
        """
        old = (await self.get(run_id)).snapshot()
        new = await self.create(old.panes, shared_thread=old.shared_thread)
        await new.play(planned_turns(old, same_seeds=same_seeds))
        return new

    async def branch(self, run_id: str, turn: int) -> Comparison:
        """A new comparison that begins as another one did before one of its prompts, to go on from there otherwise.

        Args:
            run_id: the run to begin with; it stays as it is.
            turn: the first prompt to leave out, counted from 0.

        Raises:
            RunNotFoundError, DocumentError, StoreError: see :meth:`get`.
            ConfigurationError: the run has no such prompt.
        """
        old = (await self.get(run_id)).snapshot()
        if not 0 <= turn < len(old.turns):
            raise ConfigurationError(f"run {run_id!r} has {len(old.turns)} prompts; it has none of number {turn + 1}")
        if turn == 0:
            return await self.create(old.panes, shared_thread=old.shared_thread)
        run, answers = first_turns(old, turn)
        await asyncio.to_thread(self._store.save_run, run, answers)
        return await self.get(run.id)

    async def import_run(self, data: bytes) -> Comparison:
        """Store a run that was exported as JSON, under an id of its own.

        Raises:
            DocumentError: see :func:`import_run`.
        """
        run, answers = await asyncio.to_thread(import_run, data)
        await asyncio.to_thread(self._store.save_run, run, answers)
        return await self.get(run.id)

    async def aclose(self) -> None:
        """The workbench ends: stop everything, mark it as interrupted and save it."""
        await asyncio.gather(*(comparison.interrupt() for comparison in list(self._held.values())))
        self._live.clear()

    # ----------------------------------------------------------------------------------------------------------------

    def _adopt(self, conversation: Conversation, known: float | None = None) -> Comparison:
        def branched(before: str) -> None:
            self._live.pop(before, None)
            self._held.pop(before, None)
            self._held[comparison.id] = comparison
            self._branched[before] = comparison.id
            self._keep(comparison)

        recorder = Recorder(self._store, conversation, self._save_interval_s, known=known, on_branch=branched)
        # Whatever begins to answer is kept again, should it have been dropped while a page still held it.
        comparison = Comparison(conversation, self._source, recorder, self._models, self._fingerprints, self._keep)
        self._held[comparison.id] = comparison
        self._keep(comparison)
        return comparison

    def _keep(self, comparison: Comparison) -> None:
        self._live[comparison.id] = comparison
        self._live.move_to_end(comparison.id)
        idle = [run_id for run_id, other in self._live.items() if not other.is_busy]
        for run_id in idle[: max(0, len(self._live) - MAX_LIVE)]:
            if run_id != comparison.id:
                del self._live[run_id]

    async def _rebuild(self, run_id: str) -> Comparison:
        run = await asyncio.to_thread(self._store.load_run, run_id)
        answers = await asyncio.to_thread(self._store.load_items, run_id)
        comparison = self._adopt(conversation_from(run, answers), run.updated_at)
        await comparison.mark_interrupted()
        return comparison

    def _seen_from_here(self, summary: RunSummary) -> RunSummary:
        if summary.status == "running" and summary.id not in self._held:
            return replace(summary, status="interrupted")
        return summary


def planned_turns(snapshot: ComparisonSnapshot, *, same_seeds: bool = True) -> tuple[PlannedTurn, ...]:
    """What :meth:`Comparison.play` takes to ask a run's prompts again; one that reached nobody is left out."""
    now_there = {pane.id: pane for pane in snapshot.panes}
    planned = []
    for turn in snapshot.turns:
        panes = []
        for pane_id, answer in turn.answers.items():
            seed = now_there[pane_id].config.seed if pane_id in now_there else None
            if same_seeds:
                seed = answer.config.seed if answer.legs[0].seed is None else answer.legs[0].seed
            panes.append(Pane(pane_id, answer.target, allowed(replace(answer.config, seed=seed))))
        # A run from a file may tell of any number of panes.
        panes = sorted(panes, key=lambda pane: pane.id not in now_there)[:MAX_PANES]
        if panes:
            planned.append(PlannedTurn(turn.prompt, tuple(panes), turn.chosen if turn.is_picked else None))
    return tuple(planned)
