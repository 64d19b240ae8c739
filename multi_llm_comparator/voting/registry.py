"""Sessions of votes as a kind of run."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence

from multi_llm_comparator.comparison.documents import IMAGES, image_key, stored_images
from multi_llm_comparator.comparison.limits import MAX_RUN_IMAGES
from multi_llm_comparator.comparison.provenance import Fingerprint, Fingerprints, ModelLookup
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.stored import take_life
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunFilter, RunRecord
from multi_llm_comparator.voting.documents import KIND, VotingDocument, read_turn
from multi_llm_comparator.voting.export import export_votes
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.spec import VotingSpec
from multi_llm_comparator.voting.vote_run import VoteRun

# A ranking over all sessions is made of so many of the latest.
MAX_SESSIONS = 50


class VoteRegistry(TaskRunKind[VoteRun]):
    """Sessions of votes, as a kind of run: starts and resumes them, and tells what all of them found.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers; a contestant's target is whatever it has a name for.
        models: finds a model by id or name, quickly. None for what is no local model.
        fingerprint: hashes a model's files; called in a thread, beside the answers.
    """

    name, page, exports, run_class = KIND, "vote", export_votes, VoteRun

    def __init__(
        self,
        runs: RunRegistry,
        source: TextSource,
        models: ModelLookup = lambda target: None,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        super().__init__(runs)
        self._source, self._models = source, models
        self._fingerprints = Fingerprints(fingerprint) if fingerprint else None

    async def start(
        self, spec: VotingSpec, *, parent_id: str | None = None, images: Iterable[StoredImage] = ()
    ) -> VoteRun:
        """Have the first answers written; returns at once with the run at work. Seed 0 draws one.

        Raises:
            ConfigurationError: an image that a prompt names is not among ``images``, or there are too many.
        """
        if not spec.seed:
            spec = spec.model_copy(update={"seed": 1 + secrets.randbelow(2**62)})
        given = {image.digest: image for image in images}
        if len(spec.images) > MAX_RUN_IMAGES:
            raise ConfigurationError(f"the prompts have {len(spec.images)} images; at most {MAX_RUN_IMAGES} are taken")
        if missing := set(spec.images) - set(given):
            raise ConfigurationError(f"a prompt names an image that is not there: {min(missing)[:12]!r}")
        run = self._new(spec, new_run_id(), {digest: given[digest] for digest in spec.images})
        return await self.begun(run, parent_id=parent_id, keys=map(image_key, run.images))

    async def all_sessions(self) -> list[VotingSnapshot]:
        """The latest sessions, as they are now; those that cannot be read are left out."""
        found = []
        for summary in await self.runs.list(RunFilter(kind=KIND), MAX_SESSIONS):
            try:
                found.append((await self.get(summary.id)).snapshot())
            except MultiLLMError:
                continue
        return found

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> VoteRun:
        document = VotingDocument.read(record)
        run = self._new(document.spec, record.id, stored_images(items, set(document.spec.images)))
        take_life(run, document)
        run.facts, run.versions = document.facts, document.versions
        for item in items:
            if item.key.startswith(IMAGES):
                continue
            turn = read_turn(item.record, run.spec, f"turn {item.key!r} of run {record.id!r}")
            run.turns[turn.number] = turn
        return run

    def _new(self, spec: VotingSpec, run_id: str, images: Mapping[str, StoredImage]) -> VoteRun:
        return VoteRun(
            self._source,
            spec,
            run_id=run_id,
            models=self._models,
            fingerprints=self._fingerprints,
            images=images,
        )
