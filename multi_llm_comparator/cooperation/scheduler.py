"""Cooperation by one call: a question, some models, one text back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import CooperationSpec, Mode, checked_spec
from multi_llm_comparator.cooperation.standalone import with_services
from multi_llm_comparator.core.exceptions import AnswerInterrupted, error_from_name


class CooperationScheduler:
    """Has several models work on one question. Each task is a stored run, which the page Cooperate and History show.

    All methods take names of models, endpoints or groups, and further fields of :class:`CooperationSpec` by name
    (``integrator``, ``deadline_s``, ``config``, ...). They return the answer's text.

    Args:
        cooperations: starts the runs, on the event loop that calls; None opens a workbench for this process at the
            first task, which works from any event loop.

    Raises (all methods):
        ConfigurationError: what is asked for is not possible: no models, an unknown strategy.
        MultiLLMError: no model gave an answer; it says why of each, and is of the kind that they failed with
            (InferenceError where they differ).
    """

    def __init__(self, cooperations: CooperationRegistry | None = None) -> None:
        self._cooperations = cooperations

    async def create_sequential_task(
        self, query: str, models: Sequence[str], integration_strategy: str = "last", **more: Any
    ) -> str:
        """Each model builds on the answers before it."""
        return await self._text("sequential", query, models, integration=integration_strategy, **more)

    async def create_parallel_task(
        self, query: str, models: Sequence[str], integration_strategy: str = "ensemble", **more: Any
    ) -> str:
        """All models answer at once; one answer is made of theirs."""
        return await self._text("parallel", query, models, integration=integration_strategy, **more)

    async def create_voting_task(self, query: str, models: Sequence[str], voting_rounds: int = 1, **more: Any) -> str:
        """The answers are counted; the text is that of the weightiest member that voted for the winner."""
        return await self._text("voting", query, models, rounds=voting_rounds, **more)

    async def create_pipeline_task(self, query: str, models: Sequence[str], **more: Any) -> str:
        """Draft, critique, revise."""
        return await self._text("pipeline", query, models, **more)

    async def create_ensemble_task(
        self,
        query: str,
        models: Sequence[str],
        samples: int = 1,
        layers: int = 1,
        integration_strategy: str = "ensemble",
        **more: Any,
    ) -> str:
        """A mixture of agents; one model with several ``samples`` is one too."""
        given = {"samples": samples, "rounds": layers, "integration": integration_strategy, **more}
        return await self._text("ensemble", query, models, **given)

    async def create_cascade_task(
        self, query: str, models: Sequence[str], agreement: float = 1.0, samples: int = 1, **more: Any
    ) -> str:
        """The last model is asked only where the others disagree."""
        return await self._text("cascade", query, models, agreement=agreement, samples=samples, **more)

    async def create_council_task(
        self, query: str, models: Sequence[str], integration_strategy: str = "ensemble", **more: Any
    ) -> str:
        """Answers, anonymous reviews, and the answer of who presides."""
        return await self._text("council", query, models, integration=integration_strategy, **more)

    async def create_task(self, mode: Mode, query: str, models: Sequence[str], **more: Any) -> CooperationSnapshot:
        """A task of any mode, and all that is known of it when it is over."""
        members = tuple({"target": model} for model in models)
        spec = checked_spec(**{"mode": mode, "members": members, "question": query, **more})
        cooperations = self._cooperations
        if cooperations is not None:
            return await finished(cooperations, spec)
        return await with_services(lambda services: finished(services.cooperations, spec))

    async def _text(self, mode: Mode, query: str, models: Sequence[str], **more: Any) -> str:
        return (await self.create_task(mode, query, models, **more)).answer or ""


async def finished(cooperations: CooperationRegistry, spec: CooperationSpec) -> CooperationSnapshot:
    """Have members work together, and wait for it; whoever cancels this stops all of them.

    Raises:
        MultiLLMError: there is no answer; of the kind that the members failed with, InferenceError where they differ.
        AnswerInterrupted: somebody else stopped it.
        ConfigurationError: see :meth:`CooperationRegistry.start`.
    """
    run = await cooperations.start(spec)
    try:
        await run.wait()
    finally:
        if run.is_at_work:
            await cooperations.runs.stop(run.id)
    found = run.snapshot()
    if found.state == "failed":
        raise error_from_name(run.error_type, f"{found.error} (run {found.id})")
    if found.state != "done":
        raise AnswerInterrupted(f"the cooperation was {found.state} (run {found.id})")
    return found
