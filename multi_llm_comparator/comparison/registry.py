"""Comparisons as a kind of run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from multi_llm_comparator.comparison.branching import first_turns
from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import KIND, conversation_from
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.importing import import_run
from multi_llm_comparator.comparison.pane import Pane, check_panes
from multi_llm_comparator.comparison.planned_turns import planned_turns
from multi_llm_comparator.comparison.provenance import Fingerprint, Fingerprints, ModelLookup
from multi_llm_comparator.comparison.recording import RecordedConversation
from multi_llm_comparator.core.callers import current_caller
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


class ComparisonRegistry:
    """Comparisons, as a kind of run: starts them, and makes new ones from old ones.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers; a pane's target is whatever it has a name for.
        models: finds a model by id or name, quickly: it is called on the event loop. None for what is no local model.
        fingerprint: hashes a model's files; called in a thread, beside the answer.
    """

    name, page, formats = KIND, "compare", export_run.formats

    def __init__(
        self, runs: RunRegistry, source: TextSource, models: ModelLookup, fingerprint: Fingerprint | None = None
    ) -> None:
        self.runs, self._source, self._models = runs, source, models
        self._fingerprints = Fingerprints(fingerprint) if fingerprint else None
        runs.register(self)

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> Comparison:
        return self._comparison(conversation_from(record, items), record)

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(export_run, snapshot, format, language)

    async def create(
        self,
        panes: Sequence[Pane],
        *,
        title: str = "",
        shared_thread: bool = False,
        in_turn: bool = False,
        parent_id: str | None = None,
    ) -> Comparison:
        """A new comparison. It enters the store, and so the history, with its first prompt.

        Raises:
            ConfigurationError, InvalidParameterError: see :func:`check_panes`.
        """
        conversation = Conversation(check_panes(panes), title=title, shared_thread=shared_thread, in_turn=in_turn)
        comparison = self._comparison(conversation, parent_id=parent_id)
        self.runs.adopt(comparison)
        return comparison

    async def get(self, run_id: str) -> Comparison:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, Comparison)

    async def rerun(self, run_id: str, *, same_seeds: bool = True) -> Comparison:
        """A new comparison with the same panes, which is sent the same prompts, one after the other.

        Each prompt goes to the models that it went to then, with the parameters of then; the panes are as they are now.

        Args:
            run_id: the run to make again.
            same_seeds: ask with the seeds that the answers really had; else as the panes say.
        """
        old = (await self.get(run_id)).snapshot()
        new = await self.create(old.panes, shared_thread=old.shared_thread, in_turn=old.in_turn, parent_id=run_id)
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
            return await self.create(old.panes, shared_thread=old.shared_thread, in_turn=old.in_turn, parent_id=run_id)
        run, answers = first_turns(old, turn)
        return await self._stored(replace(run, parent_id=run_id), answers)

    async def import_run(self, data: bytes) -> Comparison:
        """Store a run that was exported as JSON, under an id of its own.

        Raises:
            DocumentError: see :func:`import_run`.
        """
        return await self._stored(*await asyncio.to_thread(import_run, data))

    async def _stored(self, run: RunRecord, answers: Sequence[ItemRecord]) -> Comparison:
        """A run that is over, put into the store for whoever has it made, and read from there."""
        await asyncio.to_thread(self.runs.store.save_run, replace(run, caller=current_caller().id), answers)
        return await self.get(run.id)

    def _comparison(
        self, conversation: Conversation, record: RunRecord | None = None, parent_id: str | None = None
    ) -> Comparison:
        recorder = self.runs.recorder(RecordedConversation(conversation), record, parent_id=parent_id)
        # Whatever begins to answer is kept again, should it have been dropped while a page still held it.
        return Comparison(conversation, self._source, recorder, self._models, self._fingerprints, self.runs.keep)
