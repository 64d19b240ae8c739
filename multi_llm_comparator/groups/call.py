"""One request on its way through the gateway: waiting, attempts, retries and fallback in one loop, one deadline."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from typing import Any

import stamina

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
)
from multi_llm_comparator.core.exceptions import (
    DeadlineExceededError,
    FirstTokenTimeoutError,
    InferenceError,
    LimitExceededError,
    MultiLLMError,
    ProviderUnavailableError,
    RateLimitedError,
    error_from_name,
)
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.attempt import Attempt
from multi_llm_comparator.groups.concurrency_controller import Admission
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.parts import Parts
from multi_llm_comparator.groups.plan import Choices, Decision, FallbackPlan
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens
from multi_llm_comparator.groups.targets import Route

logger = logging.getLogger(__name__)

# Retries are events, counts and history here; stamina's own log line for each would only repeat them.
stamina.instrumentation.set_on_retry_hooks(())

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
            _never_out if route.is_plain else parts.why_out,
            settings=config.gateway,
            with_images=any(message.images for message in request.messages),
        )
        self._attempt: Attempt | None = None
        self._choices: Choices | None = None
        self._fell_from: tuple[str, str] | None = None
        self._decision = Decision("give_up")

    async def run(self) -> AsyncGenerator[Event, None]:
        """The answer's events; the last one is Finished.

        Raises:
            MultiLLMError: the request failed for good; the text before it, if any, was already sent.
        """
        async for turn in stamina.retry_context(on=self._what_next, attempts=None, timeout=None):
            error: MultiLLMError | None = None
            try:
                async with contextlib.aclosing(self._try()) as events:
                    async for event in events:
                        yield event
            except MultiLLMError as exc:
                error = exc
            if error is None:
                return
            for event in self._decide(error):
                yield event
            with turn:
                raise error

    def _what_next(self, error: Exception) -> bool | float:
        """What the retry loop does now, as :meth:`_decide` has settled it."""
        if self._decision.kind == "give_up":
            return False
        return self._decision.delay_s

    def _decide(self, error: MultiLLMError) -> list[Event]:
        """Settle what follows a failure; the events that say so."""
        attempt, self._attempt = self._attempt, None
        self._decision = Decision("give_up")
        if attempt is None:
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
        decision = self._plan.after(attempt.candidate, error)
        if isinstance(error, RateLimitedError) and error.retry_after_s:
            self._parts.health.rest(attempt.model, error.retry_after_s)
        if decision.kind != "give_up" and decision.delay_s >= self._left_s():
            return events
        self._decision = decision
        if decision.kind == "retry":
            self._parts.history.retries += 1
            retrying = Retrying(request_id=request_id, model=attempt.model, delay_s=decision.delay_s, error_type=kind)
            events.append(retrying)
        elif decision.kind == "fall_back":
            self._fell_from = (attempt.model, kind)
        return events

    def _pass_over(self, error: MultiLLMError) -> None:
        """The limits of a whole stage are out of reach: go on with the next one, if there is one."""
        if isinstance(error, LimitExceededError) and self._choices is not None:
            for candidate in self._choices.candidates:
                self._decision = self._plan.after(candidate, error)
            self._fell_from = (self._choices.candidates[0].model, type(error).__name__)

    async def _try(self) -> AsyncGenerator[Event, None]:
        """One attempt, from its place in the queue to its end; raises what went wrong."""
        async with contextlib.aclosing(self._admit()) as waiting:
            async for queued in waiting:
                yield queued
        attempt = self._attempt
        assert attempt is not None
        with attempt:
            group = self.config.task_groups.get(attempt.candidate.group or "")
            await attempt.open(group.budget if group else None, with_breaker=not self.route.is_plain)
            self._plan.attempts += 1
            attempt.begin(self._plan.attempts)
            for event in self._announce(attempt):
                yield event
            async with contextlib.aclosing(self._relay(attempt)) as events:
                async for event in events:
                    yield event

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
        choices = self._plan.choices()
        while choices is None:
            rest_s = self._shortest_rest_s()
            if rest_s is None or rest_s >= self._left_s():
                raise self._plan.nothing_left()
            yield Queued(request_id=self._request.id)
            await asyncio.sleep(rest_s)
            choices = self._plan.choices()
        self._choices = choices
        tokens = estimated_prompt_tokens(self._request) + self._request.config.max_tokens
        found = await self._parts.controller.enter(tuple(c.levels for c in choices.candidates), tokens)
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
        candidate = choices.candidates[admission.choice]
        self._attempt = Attempt(
            self._parts, self._request, candidate, admission.grant, asked=self.route.target, rule=choices.rule
        )

    def _shortest_rest_s(self) -> float | None:
        """Seconds until a model that only rests is back, if that is soon enough to wait for."""
        limit = self.config.gateway.retry_after_max_s
        rests = (self._parts.health.rest_left_s(model) for model in self._plan.waiting_for())
        return min((rest for rest in rests if 0 < rest <= limit), default=None)

    async def _relay(self, attempt: Attempt) -> AsyncGenerator[Event, None]:
        """The model's own events, with our cost before the end."""
        stream = self._open_stream(attempt)
        clock = _AttemptClock(self, attempt)
        try:
            while True:
                event = await clock.next_event(stream)
                match event:
                    case Started(prompt_tokens=prompt_tokens):
                        attempt.prompt_tokens = prompt_tokens
                        yield event
                    case TextDelta(tokens=tokens):
                        attempt.text_tokens, attempt.has_text = tokens, attempt.has_text or bool(event.text)
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

    def _left_s(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()


class _AttemptClock:
    """Knows until when the next event of an attempt must have come, and what it means if it has not."""

    def __init__(self, call: Call, attempt: Attempt) -> None:
        declaration = attempt.candidate.declaration
        began = asyncio.get_running_loop().time()
        first_s = declaration.first_token_timeout_s
        if first_s is None and declaration.is_remote:
            first_s = call.config.gateway.first_token_timeout_s
        self._attempt, self._call = attempt, call
        self._first_s, self._total_s = first_s, declaration.total_timeout_s
        self._first_by = None if first_s is None else began + first_s
        self._total_by = None if self._total_s is None else began + self._total_s

    async def next_event(self, stream: AsyncIterator[Event]) -> Event | None:
        """The next event, None at the stream's end.

        Raises:
            FirstTokenTimeoutError, ProviderUnavailableError, DeadlineExceededError: it did not come in time.
        """
        by = self._call.answer_by
        if self._first_by is not None and not self._attempt.has_text:
            by = min(by, self._first_by)
        if self._total_by is not None:
            by = min(by, self._total_by)
        try:
            async with asyncio.timeout_at(None if by == math.inf else by):
                return await anext(stream, None)
        except TimeoutError:
            raise self._too_late(by) from None
        except MultiLLMError:
            raise
        except Exception as exc:
            # The edge to somebody else's source: what it raises is this attempt's failure and nobody else's.
            logger.exception("%r raised instead of failing", self._attempt.model)
            raise InferenceError(f"{self._attempt.model!r} failed in an unforeseen way: {type(exc).__name__}") from exc

    def _too_late(self, by: float) -> MultiLLMError:
        model = self._attempt.model
        if by == self._call.answer_by:
            seconds = self._call.route.timeout_s
            return DeadlineExceededError(f"{self._call.route.target!r} had no complete answer within {seconds:g} s")
        if by == self._first_by and not self._attempt.has_text:
            return FirstTokenTimeoutError(f"{model!r} sent no text within {self._first_s:g} s")
        return ProviderUnavailableError(f"{model!r} did not end its answer within {self._total_s:g} s")


def _never_out(model: str) -> str | None:
    return None


async def _close(stream: AsyncIterator[Event]) -> None:
    close: Any = getattr(stream, "aclose", None)
    if close is not None:
        await close()
