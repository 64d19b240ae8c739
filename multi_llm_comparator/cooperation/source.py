"""``cooperate:NAME`` as a model: a question is answered by several together, as a run, whose progress is the
reasoning."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import PREFIX, CooperationSpec
from multi_llm_comparator.cooperation.words import note_text, part_text
from multi_llm_comparator.core.events import Event, ThoughtDelta
from multi_llm_comparator.core.exceptions import RequestRefusedError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.runs.run_source import MAX_LINE_CHARS, RunAnswer, RunSource


class CooperationSource(RunSource[CooperationRun]):
    """A :class:`core.requests.TextSource` of cooperations. Members answer with the request's parameters, unless they
    have their own.

    Args:
        cooperations: starts the runs.
        saved: says what the names mean.
    """

    def __init__(self, cooperations: CooperationRegistry, saved: SavedCooperations) -> None:
        super().__init__(cooperations)
        self._cooperations, self.saved = cooperations, saved

    async def started(self, target: str, request: GenerationRequest) -> CooperationRun:
        return await self._cooperations.start(await asyncio.to_thread(self._spec, target, request))

    def progressed(self, request_id: str, line: str) -> Event:
        return ThoughtDelta(request_id=request_id, text=line, tokens=0)

    def story(self, run: CooperationRun) -> list[tuple[str, str]]:
        """Calls that began, and that ended."""
        story = []
        for key, call in run.calls.items():
            story.append((f"{key} begins", f"{_named(call)} …"))
            if call.is_done:
                said = call.ballot or call.text
                story.append((f"{key} ends", f"{_named(call)}: {cut_line(said, MAX_LINE_CHARS)}"))
            elif call.progress.state == "failed":
                why = cut_line(call.progress.error or "", MAX_LINE_CHARS)
                story.append((f"{key} ends", f"{_named(call)} failed: {why}"))
        return story

    def answer_of(self, run: CooperationRun) -> RunAnswer:
        found = run.snapshot()
        return RunAnswer(
            text=found.answer if found.state == "done" else None,
            prompt_tokens=found.prompt_tokens,
            tokens=found.tokens,
            cost_usd=found.cost_usd,
            figures=figures_of(found),
        )

    def _spec(self, target: str, request: GenerationRequest) -> CooperationSpec:
        *history, last = request.messages or (None,)
        if last is None or last.role != "user" or request.continue_final or request.raw:
            raise RequestRefusedError("a cooperation answers a question: the last message has to be the user's")
        if request.images and not request.images_optional:
            raise RequestRefusedError("a cooperation takes no images; ask a model that sees by its own name")
        system = [] if history and history[0].role == "system" else list(request.with_system_prompt()[:-1])[:1]
        before = (*(m for m in system if m.role == "system"), *history) if request.config.system_prompt else history
        more: dict[str, Any] = {"history": tuple(before), "constraint": request.constraint}
        config = replace(request.config, system_prompt="")
        return self.saved.load(target.removeprefix(PREFIX), last.content, config=config, **more)


def figures_of(run: CooperationSnapshot) -> dict[str, Any]:
    """What an API tells of a finished run: members with what they took, votes, and who was not asked and why."""
    outcome = run.outcome
    return {
        "run_id": run.id,
        "mode": run.spec.mode,
        "wall_s": run.wall_s,
        "made_by": outcome.made_by if outcome else None,
        "of": outcome.of if outcome else None,
        "cost_usd": run.cost_usd,
        "members": [
            {
                "model": found.target,
                "calls": found.calls,
                "failed": found.failed,
                "prompt_tokens": found.prompt_tokens,
                "completion_tokens": found.tokens,
                "work_s": found.work_s,
                "cost_usd": found.cost_usd,
            }
            for found in run.figures()
        ],
        "votes": [
            {"choice": count.words(s.choice), "weight": s.weight, "voters": len(s.voters)}
            for count in run.counts[-1:]
            for s in count.tally.standings
        ],
        "left_out": [
            {"model": left.target, "reason": left.reason, "detail": left.detail}
            for left in (outcome.left_out if outcome else ())
        ],
        "notes": [note_text(note, "en") for note in (outcome.notes if outcome else ())],
    }


def _named(call: Call) -> str:
    return f"{call.target} ({part_text(call.purpose, call.role, 'en')})"
