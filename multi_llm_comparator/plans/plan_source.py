"""``plan:NAME`` as a model: a question is planned and solved as a run of its own, whose progress is the reasoning."""

from __future__ import annotations

import asyncio
from typing import Any

from multi_llm_comparator.core.exceptions import RequestRefusedError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.saved import PREFIX, SavedPlans
from multi_llm_comparator.runs.run_source import MAX_LINE_CHARS, RunAnswer, RunSource


class PlanSource(RunSource[PlanRun]):
    """A :class:`core.requests.TextSource` of saved plans.

    Args:
        plans: starts the runs.
    """

    def __init__(self, plans: PlanRegistry) -> None:
        super().__init__(plans)
        self._plans = plans

    async def started(self, target: str, request: GenerationRequest) -> PlanRun:
        if len(request.messages) != 1 or request.messages[0].role != "user" or request.continue_final:
            raise RequestRefusedError("a plan answers one question: send one message, the user's")
        if request.images and not request.images_optional:
            raise RequestRefusedError("a plan takes no images; ask a model that sees by its own name")
        options = await asyncio.to_thread(SavedPlans().load, target.removeprefix(PREFIX))
        return await self._plans.start(request.messages[0].content, options)

    def story(self, run: PlanRun) -> list[tuple[str, str]]:
        """Phases, steps that began, steps that ended."""
        story = [(f"planning {len(run.planning)}", "Writing the plan")] if run.phase == "planning" else []
        for number, step in run.steps.items():
            if step.attempts or step.state in ("running", "done", "failed", "skipped"):
                story.append((f"{number} begins", f"Step {number}: {_cut(step.step.task)}"))
            if step.state == "done":
                story.append((f"{number} done", f"Step {number} by {step.target}: {_cut(step.answer or '')}"))
            elif step.state in ("failed", "skipped"):
                story.append((f"{number} {step.state}", f"Step {number} {step.state}: {_cut(step.error or '')}"))
        if run.phase == "aggregating":
            story.append(("aggregating", "Combining the answers"))
        return story

    def answer_of(self, run: PlanRun) -> RunAnswer:
        known = run_metrics(run)
        return RunAnswer(
            text=run.answer,
            prompt_tokens=known.prompt_tokens,
            tokens=known.tokens,
            cost_usd=known.cost_usd,
            figures=_figures(run.id, known),
        )


def _cut(text: str) -> str:
    return cut_line(text, MAX_LINE_CHARS)


def _figures(run_id: str, figures: RunMetrics) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "steps": figures.steps,
        "done": figures.done,
        "wall_s": figures.wall_s,
        "planning_s": figures.planning_s,
        "steps_s": figures.steps_s,
        "work_s": figures.work_s,
        "speed_up": figures.speed_up,
        "critical_path": list(figures.critical_path),
        "critical_path_s": figures.critical_path_s,
        "compression_ratio": figures.compression_ratio,
        "share_small": figures.share_small,
        "share_large": figures.share_large,
        "cost_usd": figures.cost_usd,
    }
