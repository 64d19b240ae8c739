"""``cooperate:NAME`` as a model: a question is answered by several together, as a run, whose progress is the
reasoning."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.documents import KIND
from multi_llm_comparator.cooperation.registry import CooperationRegistry
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.saved import SavedCooperations
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.spec import PREFIX, CooperationSpec
from multi_llm_comparator.cooperation.words import note_text, part_text
from multi_llm_comparator.core.events import Cost, Event, Failed, Finished, Started, TextDelta, ThoughtDelta
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError, RequestRefusedError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.run_events import RunBegan, RunMeasured

POLL_S = 0.1
MAX_LINE_CHARS = 200


class CooperationSource:
    """A :class:`core.requests.TextSource` of cooperations.

    Args:
        cooperations: starts the runs.
        saved: says what the names mean.
    """

    def __init__(self, cooperations: CooperationRegistry, saved: SavedCooperations) -> None:
        self._cooperations, self.saved = cooperations, saved

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """The events of the answer: the last one is Finished or Failed, nothing is raised. Closing the iterator stops
        the run and every member of it. Members answer with the request's parameters, unless they have their own."""
        try:
            spec = await asyncio.to_thread(self._spec, target, request)
            run = await self._cooperations.start(spec)
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
                await self._cooperations.runs.stop(run.id)

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


async def _followed(run: CooperationRun, request_id: str) -> AsyncGenerator[Event, None]:
    yield Started(request_id=request_id, prompt_tokens=0)
    yield RunBegan(request_id=request_id, run_id=run.id)
    told: set[str] = set()
    ended = asyncio.ensure_future(run.wait())
    try:
        while not ended.done():
            for line in _news(run.snapshot(), told):
                yield ThoughtDelta(request_id=request_id, text=line + "\n", tokens=0)
            await asyncio.wait({ended}, timeout=POLL_S)
    finally:
        ended.cancel()
    found = run.snapshot()
    for line in _news(found, told):
        yield ThoughtDelta(request_id=request_id, text=line + "\n", tokens=0)
    if found.answer is None or found.state != "done":
        error = InferenceError.__name__ if found.state == "failed" else "AnswerInterrupted"
        message = found.error or f"the cooperation was {found.state}"
        yield Failed(request_id=request_id, error_type=error, message=f"{message} (run {run.id})")
        return
    yield TextDelta(request_id=request_id, text=found.answer, tokens=found.tokens)
    yield RunMeasured(request_id=request_id, kind=KIND, figures=figures_of(found))
    yield Cost(
        request_id=request_id,
        model="",
        prompt_tokens=found.prompt_tokens,
        completion_tokens=found.tokens,
        usd=found.cost_usd,
        priced_by="",
    )
    yield Finished(
        request_id=request_id, reason="stop", prompt_tokens=found.prompt_tokens, completion_tokens=found.tokens
    )


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


def _news(run: CooperationSnapshot, told: set[str]) -> list[str]:
    """What has not been told yet: calls that began, and that ended."""
    lines = []
    for mark, line in _story(run):
        if mark not in told:
            told.add(mark)
            lines.append(line)
    return lines


def _story(run: CooperationSnapshot) -> list[tuple[str, str]]:
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


def _named(call: Call) -> str:
    return f"{call.target} ({part_text(call.purpose, call.role, 'en')})"
