"""``plan:NAME`` as a model: a question is planned and solved as a run of its own, whose progress is the reasoning."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from multi_llm_comparator.core.events import Cost, Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError, RequestRefusedError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import Progressed, RunBegan, RunMeasured
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.plan_run import KIND, PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.saved import PREFIX, SavedPlans

POLL_S = 0.1
MAX_LINE_CHARS = 200


class PlanSource:
    """A :class:`core.requests.TextSource` of saved plans.

    Args:
        plans: starts the runs.
    """

    def __init__(self, plans: PlanRegistry) -> None:
        self._plans = plans

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """The events of an answer, as the gateway gives them: the last one is Finished or Failed, nothing is raised.

        Closing the iterator stops the run and every step of it.
        """
        try:
            question = _question(request)
            options = await asyncio.to_thread(SavedPlans().load, target.removeprefix(PREFIX))
            run = await self._plans.start(question, options)
        except MultiLLMError as exc:
            yield Failed(request_id=request.id, error_type=type(exc).__name__, message=str(exc))
            return
        try:
            blind = request.notes(is_free=False, is_promised=True, is_blind=True)
            async with contextlib.aclosing(_followed(run, request.id)) as events:
                async for event in events:
                    yield replace(event, notes=blind) if isinstance(event, Started) else event
        finally:
            if run.is_at_work:
                await self._plans.runs.stop(run.id)


def _question(request: GenerationRequest) -> str:
    if len(request.messages) != 1 or request.messages[0].role != "user" or request.continue_final:
        raise RequestRefusedError("a plan answers one question: send one message, the user's")
    if request.images and not request.images_optional:
        raise RequestRefusedError("a plan takes no images; ask a model that sees by its own name")
    return request.messages[0].content


async def _followed(run: PlanRun, request_id: str) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request_id, prompt_tokens=0)
    yield RunBegan(request_id=request_id, run_id=run.id)
    told: set[str] = set()
    ended = asyncio.ensure_future(run.wait())
    try:
        while not ended.done():
            for line in _news(run, told):
                yield Progressed(request_id=request_id, text=line + "\n")
            await asyncio.wait({ended}, timeout=POLL_S)
    finally:
        ended.cancel()
    for line in _news(run, told):
        yield Progressed(request_id=request_id, text=line + "\n")
    if run.answer is None:
        error = InferenceError.__name__ if run.state == "failed" else "AnswerInterrupted"
        message = run.error or f"the plan was {run.state}"
        yield Failed(request_id=request_id, error_type=error, message=f"{message} (run {run.id})")
        return
    figures = run_metrics(run)
    yield TextDelta(request_id=request_id, text=run.answer, tokens=figures.tokens)
    yield RunMeasured(request_id=request_id, kind=KIND, figures=_figures(run))
    yield Cost(
        request_id=request_id,
        model="",
        prompt_tokens=figures.prompt_tokens,
        completion_tokens=figures.tokens,
        usd=figures.cost_usd,
        priced_by="",
    )
    yield Finished(
        request_id=request_id,
        reason="stop",
        prompt_tokens=figures.prompt_tokens,
        completion_tokens=figures.tokens,
    )


def _news(run: PlanRun, told: set[str]) -> list[str]:
    """What has not been told yet: phases, steps that began, steps that ended."""
    lines = []
    for mark, line in _story(run):
        if mark not in told:
            told.add(mark)
            lines.append(line)
    return lines


def _story(run: PlanRun) -> list[tuple[str, str]]:
    story = [(f"planning {len(run.planning)}", "Writing the plan")] if run.phase == "planning" else []
    for number, step in run.steps.items():
        if step.attempts or step.state in ("running", "done", "failed", "skipped"):
            story.append((f"{number} begins", f"Step {number}: {_line(step.step.task)}"))
        if step.state == "done":
            story.append((f"{number} done", f"Step {number} by {step.target}: {_line(step.answer or '')}"))
        elif step.state in ("failed", "skipped"):
            story.append((f"{number} {step.state}", f"Step {number} {step.state}: {_line(step.error or '')}"))
    if run.phase == "aggregating":
        story.append(("aggregating", "Putting the answers together"))
    return story


def _line(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= MAX_LINE_CHARS else f"{joined[: MAX_LINE_CHARS - 1]}…"


def _figures(run: PlanRun) -> dict[str, Any]:
    figures = run_metrics(run)
    return {
        "run_id": run.id,
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
