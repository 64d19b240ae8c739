"""Runs of every kind in a store, answered as a script says: what lists and exports of runs are tried on."""

from __future__ import annotations

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget


class MadeRuns:
    """Makes runs of models that are called small and large; they say 7 and 568."""

    def __init__(self, store: Store) -> None:
        source = ByTarget(small="7", large="568")
        self.store, self.runs = store, RunRegistry(store)
        self.plans = PlanRegistry(self.runs, source)
        self.comparisons = ComparisonRegistry(self.runs, source, lambda _: None)

    async def comparison(self, prompt: str = "What is it?", *targets: str) -> str:
        """The id of a comparison that is over."""
        panes = [Pane(f"p{number}", target) for number, target in enumerate(targets or ("small",))]
        made = await self.comparisons.create(panes)
        await made.send(prompt)
        await made.wait()
        return made.id

    async def plan(self, question: str = "And what is that?") -> str:
        """The id of a plan run that is over."""
        run = await self.plans.start(question, OPTIONS, plan=parse_plan(PLAN))
        assert await self.runs.wait(run.id, timeout_s=60)
        return run.id

    async def aclose(self) -> None:
        await self.runs.aclose()
