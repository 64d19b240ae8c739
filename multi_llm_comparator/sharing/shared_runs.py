"""Bundles made and opened, over the kinds of runs that can be run again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import KIND as COMPARISON
from multi_llm_comparator.comparison.documents import ImageDocument, validated
from multi_llm_comparator.comparison.limits import MAX_RUN_IMAGES
from multi_llm_comparator.comparison.planned_turns import planned_turns
from multi_llm_comparator.comparison.provenance import versions
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.run_files import RunFiles
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.sharing.bundle import Manifest, make_bundle, plain_json, read_bundle
from multi_llm_comparator.sharing.here import Here, look_here, missing
from multi_llm_comparator.voting.documents import KIND as VOTE
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.spec import checked_spec

BUNDLED_KINDS = (COMPARISON, VOTE)


class SharedRuns:
    """Makes bundles of runs, and runs of bundles.

    Args:
        comparisons, votes: the kinds that can be run again from a bundle.
        models: the models of this machine, as they are now.
        fingerprint: hashes a model's weights.
        is_known: whether a name can be asked that is no local model.
    """

    def __init__(
        self,
        comparisons: ComparisonRegistry,
        votes: VoteRegistry,
        models: Callable[[], list[ModelInfo]],
        fingerprint: Callable[[ModelInfo], str | None],
        is_known: Callable[[str], bool],
    ) -> None:
        self._comparisons, self._votes = comparisons, votes
        self._models, self._fingerprint, self._is_known = models, fingerprint, is_known

    async def bundle(self, kind: str, run_id: str, language: Language = "en") -> bytes:
        """A run as a bundle.

        Raises:
            ConfigurationError: runs of its kind are not bundled.
            RunNotFoundError, DocumentError: see :meth:`RunRegistry.get`.
        """
        if kind not in BUNDLED_KINDS:
            raise ConfigurationError(f"a run of kind {kind!r} cannot be bundled; {' and '.join(BUNDLED_KINDS)} can")
        runs = self._comparisons.runs
        snapshot = (await runs.get(run_id, LiveRun)).snapshot()  # type: ignore[type-abstract]
        files = RunFiles(runs)
        run_json = await files.data(kind, run_id, "json", language)
        report = await files.data(kind, run_id, "html", language)
        return await asyncio.to_thread(make_bundle, snapshot, run_json, report)

    async def look(self, data: bytes) -> tuple[Manifest, Here]:
        """What a bundle holds, and what is otherwise here.

        Raises:
            DocumentError: it cannot be read.
        """
        manifest, _ = await asyncio.to_thread(read_bundle, data)
        return manifest, await self._look(manifest)

    async def _look(self, manifest: Manifest) -> Here:
        return await asyncio.to_thread(
            look_here, manifest, self._models(), self._fingerprint, versions(), self._is_known
        )

    async def run_again(self, data: bytes) -> tuple[str, str]:
        """Make the same run here, with the models of this machine; its kind and id.

        Raises:
            DocumentError: the bundle cannot be read.
            ConfigurationError: a model that answered there is not here.
        """
        manifest, run = await asyncio.to_thread(read_bundle, data)
        here = await self._look(manifest)
        if absent := missing(here.differences):
            raise ConfigurationError(f"no model {absent[0]!r} is here; get it first, or open the report in the bundle")
        if manifest.kind == COMPARISON:
            return COMPARISON, (await self._compare_again(run, here)).id
        if manifest.kind == VOTE:
            return VOTE, await self._vote_again(run, here)
        raise DocumentError(f"the bundle holds a run of kind {manifest.kind!r}, which this version cannot run again")

    async def _compare_again(self, run: bytes, here: Here) -> Comparison:
        old = await self._comparisons.import_run(run)
        snapshot = old.snapshot()
        panes = [replace(pane, target=here.targets.get(pane.target, pane.target)) for pane in snapshot.panes]
        new = await self._comparisons.create(
            panes, title=snapshot.title, shared_thread=snapshot.shared_thread, parent_id=old.id
        )
        planned = [
            replace(
                turn,
                panes=tuple(replace(pane, target=here.targets.get(pane.target, pane.target)) for pane in turn.panes),
            )
            for turn in planned_turns(snapshot, same_seeds=True)
        ]
        await new.play(planned)
        return new

    async def _vote_again(self, run: bytes, here: Here) -> str:
        exported = await asyncio.to_thread(plain_json, run)
        spec: Any = exported.get("spec") if isinstance(exported, dict) else None
        if not isinstance(spec, dict) or not isinstance(spec.get("contestants"), list):
            raise DocumentError("the bundle holds no session of votes")
        try:
            contestants = [_harmless(one, here) for one in spec["contestants"]]
            kept = exported.get("images", ())[:MAX_RUN_IMAGES]
            images = [validated(ImageDocument, one, "an image in the bundle").image() for one in kept]
            asked = checked_spec(**{**spec, "contestants": contestants})
            return (await self._votes.start(asked, images=images)).id
        except (ConfigurationError, TypeError, AttributeError, KeyError) as exc:
            raise DocumentError(f"the votes in the bundle cannot be run here: {exc}") from exc

    async def open_run(self, data: bytes) -> str:
        """Open a bundled comparison as it was, without asking anybody; its id.

        Raises:
            DocumentError: the bundle cannot be read, or holds no comparison.
        """
        manifest, run = await asyncio.to_thread(read_bundle, data)
        if manifest.kind != COMPARISON:
            raise DocumentError("only comparisons are opened as they were; open the report in the bundle instead")
        return (await self._comparisons.import_run(run)).id


def _harmless(contestant: dict[str, Any], here: Here) -> dict[str, Any]:
    """With the name it has here, and without the leave to run a model's own code: that is asked here."""
    config = {**contestant.get("config", {}), "trust_remote_code": False}
    return {**contestant, "target": here.targets.get(contestant["target"], contestant["target"]), "config": config}
