"""Each kind of run, brought to where something of it is finished and stored, and something is half done."""

from __future__ import annotations

import asyncio
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

from multi_llm_comparator.applications.registry import ServiceRegistry
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.sources import Documents, ServiceSources
from multi_llm_comparator.applications.spec import spec_of
from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.spec import checked_spec
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.measuring.asking import Sources as Answering
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.training.data.distill import DistillOptions, make_prompts
from multi_llm_comparator.training.data.distillations import DistillationRegistry
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.vote_run import VoteRun
from tests.comparison.asking import PANES, answer
from tests.evaluation.measuring.making import evaluation, no_tasks, prompt_set
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS
from tests.support.scripted_source import Call, ScriptedSource
from tests.voting.sessions import session_spec

PATIENCE_S = 30.0


class Life(ABC):
    """A process that works on runs of one kind; ``open`` is the request that is half answered."""

    # What the finished part says, what the run comes to, and what a resumed request is answered with.
    finished = "7"
    result = "568"
    rest = "568"

    def __init__(self, store: Store) -> None:
        self.store, self.source = store, ScriptedSource()
        self.runs = RunRegistry(store, save_interval_s=0.02)
        self.open: Call

    @abstractmethod
    async def half(self) -> LiveRun:
        """A run of which one part is finished and stored, and another half done."""

    async def resumed(self, run: LiveRun) -> None:
        """A resumed run has asked for what was open, and for nothing else: answer that."""
        call = await self.source.call(0)
        await call.answer(self.rest)
        await run.wait()
        assert len(self.source.calls) == 1

    async def half_answered(self, call: Call) -> None:
        self.open = call
        await call.start()
        await call.say("5")

    async def end(self, run: LiveRun) -> None:
        await self.open.say("68")
        await self.open.finish()
        await run.wait()

    @abstractmethod
    def said(self, run: LiveRun) -> str | None:
        """What the run came to."""

    async def stored(self, run: LiveRun, *wanted: tuple[str, str]) -> LiveRun:
        """Wait until items of these states and texts are stored."""
        async with asyncio.timeout(PATIENCE_S):
            while not set(wanted) <= {
                (i.status, i.text) for i in await asyncio.to_thread(self.store.load_items, run.id)
            }:
                await asyncio.sleep(0.01)
        return run


class ComparisonLife(Life):
    rest = "68"

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = ComparisonRegistry(self.runs, self.source, lambda target: None)

    async def half(self) -> LiveRun:
        comparison = await self.registry.create(PANES)
        await comparison.send("What is it?")
        half, other = await self.source.next_calls(2)
        await other.answer("7")
        await self.half_answered(half)
        return await self.stored(comparison, ("done", "7"), ("running", "5"))

    def said(self, run: LiveRun) -> str | None:
        assert isinstance(run, Comparison)
        return answer(run, "a").text


class PlanLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = PlanRegistry(self.runs, self.source)

    async def half(self) -> LiveRun:
        run = await self.registry.start("What is it?", OPTIONS, plan=parse_plan(PLAN))
        for call in await self.source.next_calls(2):
            await call.answer("7")
        await self.half_answered(await self.source.call(2))
        return await self.stored(run, ("done", "7"))

    def said(self, run: LiveRun) -> str | None:
        said: str | None = run.snapshot().answer
        return said


class EvaluationLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = EvaluationRegistry(self.runs, Answering(self.source), no_tasks)

    async def half(self) -> LiveRun:
        prompts = prompt_set(("What is it?", "568"))
        run = await self.registry.start(evaluation(prompts, "small", "large", title="What is it?"))
        await (await self.source.call(0)).answer("7")
        await self.half_answered(await self.source.call(1))
        return await self.stored(run, ("done", "7"), ("running", "5"))

    def said(self, run: LiveRun) -> str | None:
        cell = run.snapshot().cell(0, "b")
        return None if cell is None else cell.text


class DistillationLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = DistillationRegistry(self.runs, self.source)

    async def half(self) -> LiveRun:
        prompts = make_prompts((Message("user", text),) for text in ("What is it?", "And then?"))
        run = await self.registry.start(prompts, DistillOptions(target="model", concurrency=2))
        first, half = await self.source.next_calls(2)
        await first.answer("7")
        await self.half_answered(half)
        stored = await self.stored(run, ("done", "7"))
        await run.review(run.prompts[0].key, "kept")
        return stored

    def said(self, run: LiveRun) -> str | None:
        return list(run.snapshot().answers.values())[-1].text or None


class CooperationLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = CooperationRegistry(self.runs, self.source)

    async def half(self) -> LiveRun:
        members = ({"target": "small"}, {"target": "large"})
        run = await self.registry.start(checked_spec(mode="sequential", members=members, question="What is it?"))
        await (await self.source.call(0)).answer("7")
        await self.half_answered(await self.source.call(1))
        return await self.stored(run, ("done", "7"), ("running", "5"))

    def said(self, run: LiveRun) -> str | None:
        said: str | None = run.snapshot().answer
        return said


class VoteLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.registry = VoteRegistry(self.runs, self.source)

    async def half(self) -> LiveRun:
        run = await self.registry.start(session_spec("What is it?"))
        first, half = await self.source.next_calls(2)
        await first.answer("7")
        await self.half_answered(half)
        return await self.stored(run, ("answering", "7"))

    async def resumed(self, run: LiveRun) -> None:
        await (await self.source.call(0)).answer(self.rest)
        await self._vote(run)
        assert len(self.source.calls) == 1

    async def end(self, run: LiveRun) -> None:
        await self.open.say("68")
        await self.open.finish()
        await self._vote(run)

    async def _vote(self, run: LiveRun) -> None:
        assert isinstance(run, VoteRun)
        async with asyncio.timeout(PATIENCE_S):
            while run.phase != "voting" and run.state != "failed":
                await asyncio.sleep(0.01)
            turn = run.snapshot().open_turn
            if turn is not None and run.phase == "voting":
                better = next(answer for answer in turn.answers if answer.text == self.result)
                await run.vote(turn.number, better.contestant)
            await run.wait()

    def said(self, run: LiveRun) -> str | None:
        best = [turn.best for turn in run.snapshot().turns]
        return best[0].text if best and best[0] else None


class ServiceLife(Life):
    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._folder = tempfile.TemporaryDirectory()
        self.registry = ServiceRegistry(self.runs, ServiceSources(self.source, Documents(Path(self._folder.name))))

    async def half(self) -> LiveRun:
        spec = spec_of("document_analysis", {"model": "m", "analysis_type": "summary"})
        run = await self.registry.start(spec, b"What is it?\n\nRevenue rose by 28% to 12.5 million in a year.")
        # What is claimed in it is asked first, and then summed up.
        await (await self.source.call(0)).answer("7")
        await self.half_answered(await self.source.call(1))
        return await self.stored(run, ("done", "7"))

    def said(self, run: LiveRun) -> str | None:
        assert isinstance(run, ServiceRun)
        answers = list(run.answers.values())
        return answers[-1].text if len(answers) > 1 and run.result is not None else None


KINDS: dict[str, type[Life]] = {
    "comparison": ComparisonLife,
    "plan": PlanLife,
    "distillation": DistillationLife,
    "evaluation": EvaluationLife,
    "cooperation": CooperationLife,
    "vote": VoteLife,
    "service": ServiceLife,
}
