"""Asks a planner for a plan and gives its steps while it is still writing."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import TextDelta
from multi_llm_comparator.core.exceptions import GrammarError, MultiLLMError, PlanError, error_from_name
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.parse import PlanParser
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompts import again_messages, planner_messages
from multi_llm_comparator.plans.step_run import StepRun

CLOSED_EARLY = "had the plan ended where the planner's tokens ran out"


@dataclass
class PlanningAttempt:
    """One time the planner was asked: what it wrote, what was repaired, and what was wrong with it in the end.

    ``begun`` are the steps, by id, that were begun by a plan which then could not be used or was never whole, and that
    no later plan has taken over.
    """

    messages: tuple[Message, ...]
    progress: AnswerProgress
    thinking: str = ""
    repairs: list[str] = field(default_factory=list)
    plan: Plan | None = None
    error: str | None = None
    error_type: str | None = None
    begun: dict[str, StepRun] = field(default_factory=dict)


class Planner:
    """One planner model (or group) as a source of steps.

    Args:
        source: answers for it.
        target: the planner's name.
        config: how it generates.
        grammar: what it is held to, as a local model is; what cannot be held to it is asked again instead.
    """

    def __init__(
        self,
        source: TextSource,
        target: str,
        config: ModelConfig,
        *,
        grammar: Constraint | None = None,
    ) -> None:
        self._source = source
        self._target = target
        self._config = config
        self._grammar = grammar

    async def write(
        self, messages: tuple[Message, ...], on_change: Callable[[], None] = lambda: None
    ) -> AsyncGenerator[Step | PlanningAttempt, None]:
        """Ask once: first gives the attempt, which fills as the planner writes, then each step the moment it is whole.

        Raises:
            PlanError: the text is no plan that can be used.
            MultiLLMError: the planner failed.
        """
        attempt = PlanningAttempt(messages, AnswerProgress(requested_at=now()))
        yield attempt
        parser = PlanParser()
        request = GenerationRequest(messages=messages, config=self._config, constraint=self._grammar)
        try:
            async with contextlib.aclosing(self._source.stream(self._target, request)) as events:
                async for event in events:
                    attempt.progress.apply(event)
                    on_change()
                    if isinstance(event, TextDelta):
                        for step in parser.feed(event.text):
                            yield step
                    if attempt.progress.is_over:
                        break
            if attempt.progress.state == "failed":
                raise error_from_name(attempt.progress.error_type or "", attempt.progress.error or "the planner failed")
            is_complete = attempt.progress.finish_reason == "stop"
            attempt.plan = parser.close(complete=is_complete)
            if self._grammar is not None and not is_complete:
                parser.repairs.append(CLOSED_EARLY)
        finally:
            attempt.thinking = "\n".join(filter(None, (attempt.progress.thought, parser.thinking)))
            attempt.repairs = parser.repairs
            if attempt.progress.ended_at is None:
                # Given up or stopped: nobody reads what else it would write.
                attempt.progress.ended_at = now()
            on_change()

    async def ask(self, question: str, system_prompt: str | None, replans: int) -> list[PlanningAttempt]:
        """Write the plan of a question without solving it; asked again with the error while it cannot be used.

        Returns:
            All attempts; the last one has the plan, or the error.
        """
        messages = planner_messages(question, system_prompt=system_prompt)
        attempts: list[PlanningAttempt] = []
        for _ in range(1 + replans):
            try:
                async with contextlib.aclosing(self.write(messages)) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, PlanningAttempt):
                            attempts.append(piece)
                break
            except MultiLLMError as exc:
                if (again := self.after(attempts[-1], exc)) is None:
                    break
                messages = again
        return attempts

    def after(self, attempt: PlanningAttempt, error: MultiLLMError) -> tuple[Message, ...] | None:
        """What to ask after a failed attempt, which takes note of its error; None: nothing would help."""
        attempt.error, attempt.error_type = str(error), type(error).__name__
        if isinstance(error, PlanError):
            return again_messages(attempt.messages, attempt.progress.text, str(error))
        if isinstance(error, GrammarError) and self._grammar is not None:
            # A model that cannot be held to the grammar may still know how to plan.
            self._grammar = None
            return attempt.messages
        # A planner that fails will fail again; the gateway has tried what there is to try.
        return None
