"""One request on its way through the gateway: waiting, attempts, retries and fallback in one loop, one deadline."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import (
    Attempted,
    AttemptFailed,
    Event,
    Failed,
    FellBack,
    Finished,
    Queued,
    Retrying,
    Started,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
)
from multi_llm_comparator.core.exceptions import (
    DeadlineExceededError,
    LimitExceededError,
    MultiLLMError,
    ProviderUnavailableError,
    RateLimitedError,
    error_from_name,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.attempt import Attempt
from multi_llm_comparator.groups.attempt_clock import AttemptClock
from multi_llm_comparator.groups.components import Parts
from multi_llm_comparator.groups.concurrency_controller import Admission
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.fallback_plan import Choices, Decision, FallbackPlan
from multi_llm_comparator.groups.history import AttemptRecord
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens, most_prompt_tokens
from multi_llm_comparator.groups.targets import Candidate, Route

PLACE_INTERVAL_S = 0.5


class Call:
    """Runs one request along one route, with the configuration as it was when the request came."""

    def __init__(self, parts: Parts, config: GroupsConfig, route: Route, request: GenerationRequest) -> None:
        self._parts, self.config, self.route = parts, config, route
        self._request = request
        self.deadline = asyncio.get_running_loop().time() + route.timeout_s
        self.answer_by = math.inf if route.is_plain else self.deadline
        self._plan = FallbackPlan(
            route,
            parts.pools.order,
            (lambda model: None) if route.is_plain else parts.why_out,
            settings=config.gateway,
            with_images=bool(request.images) and not request.images_optional,
            context_of=self._context_of,
        )
        self._waits_since = now()
        self._attempt: Attempt | None = None
        self._choices: Choices | None = None
        self._fell_from: tuple[str, str] | None = None
        self._decision = Decision("give_up")

    async def run(self) -> AsyncGenerator[Event, None]:
        """The answer's events; the last one is Finished.

        Raises:
            MultiLLMError: the request failed for good; the text before it, if any, was already sent.
        """
        while True:
            try:
                async with contextlib.aclosing(self._admit()) as waiting:
                    async for queued in waiting:
                        yield queued
                attempt = self._attempt
                assert attempt is not None
                with attempt:
                    for event in await self._begin(attempt):
                        yield event
                    async with contextlib.aclosing(self._relay(attempt)) as events:
                        async for event in events:
                            yield event
                return
            except MultiLLMError as exc:
                error = exc
            for event in self._decide(error):
                yield event
            if self._decision.kind == "give_up":
                raise error
            await asyncio.sleep(self._decision.delay_s)

    def _decide(self, error: MultiLLMError) -> list[Event]:
        """Settle what follows a failure; the events that say so."""
        attempt, self._attempt = self._attempt, None
        self._decision = Decision("give_up")
        if attempt is None:
            self._note_refusal(error)
            self._pass_over(error)
        if attempt is None or attempt.has_text:
            return []
        events: list[Event] = []
        request_id, kind = self._request.id, type(error).__name__
        if attempt.number:
            events.append(
                AttemptFailed(
                    request_id=request_id,
                    number=attempt.number,
                    model=attempt.model,
                    error_type=kind,
                    message=str(error),
                    seconds=now() - attempt.began_at,
                )
            )
        spent_s = now() - attempt.began_at
        decision = self._decision = self._plan.after(attempt.candidate, error, left_s=self._left_s(), spent_s=spent_s)
        if isinstance(error, RateLimitedError) and error.retry_after_s:
            self._parts.health.rest(attempt.model, error.retry_after_s)
        if decision.kind == "retry":
            self._parts.history.retries += 1
            retrying = Retrying(request_id=request_id, model=attempt.model, delay_s=decision.delay_s, error_type=kind)
            events.append(retrying)
        elif decision.kind == "fall_back":
            self._fell_from = (attempt.model, kind)
        return events

    def _note_refusal(self, error: MultiLLMError) -> None:
        """Keep the reason of a request that no model was asked for, under the model it would have gone to first."""
        rule, candidate = next(iter(self._choices.every() if self._choices else _every(self.route)))
        seconds = now() - self._waits_since
        self._parts.metrics.attempt(candidate.model, "refused", seconds)
        self._parts.history.add(
            AttemptRecord(
                request_id=self._request.id,
                asked=self.route.target,
                target=candidate.target,
                model=candidate.model,
                rule=rule,
                number=0,
                at=self._waits_since,
                seconds=seconds,
                outcome="refused",
                error_type=type(error).__name__,
                message=str(error),
            )
        )

    def _pass_over(self, error: MultiLLMError) -> None:
        """The limits of a whole stage are out of reach: try the next one, if there is one."""
        if isinstance(error, LimitExceededError) and self._choices is not None:
            for _, candidate in self._choices.every():
                self._decision = self._plan.after(candidate, error, left_s=self._left_s())
            self._fell_from = (self._choices.candidates[0].model, type(error).__name__)

    async def _begin(self, attempt: Attempt) -> list[Event]:
        """Open an attempt that was admitted; the events that say so.

        Raises:
            MultiLLMError: its budget or its breaker lets nothing through.
        """
        group = self.config.task_groups.get(attempt.candidate.group or "")
        within_s = None if self.route.is_plain else self._left_s()
        await attempt.open(group.budget if group else None, within_s)
        self._plan.attempts += 1
        attempt.begin(self._plan.attempts)
        return self._announce(attempt)

    def _announce(self, attempt: Attempt) -> list[Event]:
        events: list[Event] = []
        if self._fell_from is not None:
            model, error_type = self._fell_from
            self._fell_from = None
            self._parts.history.fallbacks[attempt.rule] += 1
            self._parts.metrics.fell_back(attempt.rule)
            events.append(
                FellBack(
                    request_id=self._request.id,
                    from_model=model,
                    to_model=attempt.model,
                    strategy=attempt.rule,
                    error_type=error_type,
                )
            )
        target = attempt.candidate.target
        events.append(Attempted(request_id=self._request.id, number=attempt.number, model=attempt.model, target=target))
        return events

    async def _admit(self) -> AsyncGenerator[Event, None]:
        """Wait for the limits; leaves the admitted attempt in ``_attempt``."""
        self._waits_since, self._choices = now(), None
        choices = self._plan.choices()
        while choices is None:
            rest_s = self._shortest_rest_s()
            if rest_s is None or rest_s >= self._left_s():
                raise self._plan.nothing_left()
            yield Queued(request_id=self._request.id)
            await asyncio.sleep(rest_s)
            choices = self._plan.choices()
        self._choices = choices
        answer_tokens = self._request.config.max_tokens
        found = await self._parts.controller.enter(
            tuple(candidate.levels for _, candidate in choices.every()),
            most_prompt_tokens(self._request) + answer_tokens,
            likely=estimated_prompt_tokens(self._request) + answer_tokens,
        )
        if isinstance(found, Admission):
            self._take(choices, found)
            return
        with found as place:
            ahead: int | None = None
            admission: Admission | None = None
            while admission is None:
                left_s = self._left_s()
                if left_s <= 0:
                    raise DeadlineExceededError(
                        f"the request to {self.route.target!r} waited {self.route.timeout_s:g} s for a limit,"
                        f" with {place.ahead} before it; raise the limit or its timeout"
                    )
                if (current := place.ahead) != ahead:
                    ahead = current
                    yield Queued(request_id=self._request.id, ahead=ahead)
                # A long queue moves slowly, and everybody in it looking often would cost more than the calls.
                admission = await place.wait(min(max(PLACE_INTERVAL_S, current / 200), left_s))
            self._take(choices, admission)

    def _take(self, choices: Choices, admission: Admission) -> None:
        rule, candidate = choices.every()[admission.choice]
        if admission.choice >= len(choices.candidates) and self._fell_from is None:
            self._fell_from = (choices.candidates[0].model, LimitExceededError.__name__)
        self._attempt = Attempt(
            self._parts, self._request, candidate, admission.grant, asked=self.route.target, rule=rule
        )

    def _shortest_rest_s(self) -> float | None:
        """Seconds until a model that only rests is back, if that is soon enough to wait for."""
        limit = self.config.gateway.retry_after_max_s
        rests = (self._parts.health.rest_left_s(model) for model in self._plan.waiting_for())
        return min((rest for rest in rests if 0 < rest <= limit), default=None)

    async def _relay(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """The model's own events, with our cost before the end."""
        stream = self._open_stream(attempt)
        clock = AttemptClock(
            attempt,
            self.route,
            self.config.gateway,
            answer_by=self.answer_by,
            may_leave=self._plan.choices_exist(besides=attempt.model),
        )
        try:
            while True:
                event = await clock.next_event(stream)
                match event:
                    case Started(prompt_tokens=prompt_tokens):
                        attempt.prompt_tokens, attempt.has_started = prompt_tokens, True
                        yield event
                    case TextDelta(tokens=tokens):
                        attempt.text_tokens = tokens
                        attempt.has_text |= bool(event.text) or isinstance(event, ToolCallDelta)
                        yield event
                    case ThoughtDelta(tokens=tokens):
                        # Who follows the thought has begun to read: nobody else may answer instead.
                        attempt.text_tokens, attempt.has_text = tokens, True
                        yield event
                    case Finished():
                        cost = attempt.finish(event.prompt_tokens, event.completion_tokens)
                        yield cost
                        yield replace(event, prompt_tokens=cost.prompt_tokens, completion_tokens=cost.completion_tokens)
                        return
                    case Failed(error_type=kind, message=message):
                        raise error_from_name(kind, message)
                    case None:
                        raise ProviderUnavailableError(f"{attempt.model!r} ended its stream without ending the answer")
                    case _:
                        yield event
        except MultiLLMError:
            if attempt.has_text:
                yield attempt.cost()
            raise
        finally:
            await _close(stream)

    def _open_stream(self, attempt: Attempt) -> AsyncIterator[Event]:
        declaration = attempt.candidate.declaration
        if declaration.is_remote:
            return self._parts.endpoints.stream(attempt.model, declaration, self._request)
        return self._parts.local.stream(declaration.local or attempt.model, self._request)

    def _context_of(self, candidate: Candidate) -> int | None:
        """What fits into a model; a local one is loaded with the request's own ``n_ctx`` at most."""
        declared = candidate.declaration
        if declared.context_length or declared.is_remote:
            return declared.context_length
        known = self._parts.local_context(declared.local or candidate.model)
        return min(known, self._request.config.n_ctx) if known else None

    def _left_s(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()


def _every(route: Route) -> Iterator[tuple[str, Candidate]]:
    return ((stage.rule, candidate) for stage in route.stages for candidate in stage.candidates)


async def _close(stream: AsyncIterator[Event]) -> None:
    close: Any = getattr(stream, "aclose", None)
    if close is not None:
        await close()
