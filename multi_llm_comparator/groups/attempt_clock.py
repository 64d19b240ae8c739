"""Until when the next event of an attempt must have come, and what it means if it has not."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator

from multi_llm_comparator.core.events import WRITTEN, Event
from multi_llm_comparator.core.exceptions import (
    DeadlineExceededError,
    FirstTokenTimeoutError,
    InferenceError,
    MultiLLMError,
    ProviderUnavailableError,
)
from multi_llm_comparator.groups.attempt import Attempt
from multi_llm_comparator.groups.config import GatewaySettings
from multi_llm_comparator.groups.targets import Route

logger = logging.getLogger(__name__)

# Of the time that is left, the part that one model may say nothing while another could be asked instead.
SHARE_OF_REST = 0.5
# A model that says nothing is to blame once it had its own time for that, or this part of the request's.
FAIR_SHARE = 0.25


class AttemptClock:
    """The deadlines of one attempt: for the whole answer, its first text and the next one.

    Args:
        answer_by: the request's deadline on the event loop's clock.
        may_leave: whether another model could take over; then it gets its part of the time.
    """

    def __init__(
        self, attempt: Attempt, route: Route, settings: GatewaySettings, *, answer_by: float, may_leave: bool
    ) -> None:
        declaration = attempt.candidate.declaration
        self._attempt, self._route, self._answer_by = attempt, route, answer_by
        self._began = began = asyncio.get_running_loop().time()
        first_s, stall_s = declaration.first_token_timeout_s, declaration.stall_timeout_s
        if declaration.is_remote:
            first_s, stall_s = first_s or settings.first_token_timeout_s, stall_s or settings.stall_timeout_s
        # Without a limit of its own a silent model may be loading, which is nobody's fault.
        self._fair_s = math.inf if first_s is None else min(first_s, FAIR_SHARE * route.timeout_s)
        if first_s is not None and may_leave:
            first_s = min(first_s, SHARE_OF_REST * (answer_by - began))
        self._first_s, self._stall_s, self._total_s = first_s, stall_s, declaration.total_timeout_s
        self._first_by = math.inf if first_s is None else began + first_s
        self._total_by = math.inf if self._total_s is None else began + self._total_s
        self._next_by = math.inf

    async def next_event(self, stream: AsyncIterator[Event]) -> Event | None:
        """The next event, None at the stream's end.

        Raises:
            FirstTokenTimeoutError, ProviderUnavailableError, DeadlineExceededError: it did not come in time.
        """
        by = min(self._answer_by, self._total_by, self._next_by if self._attempt.has_text else self._first_by)
        try:
            async with asyncio.timeout_at(None if by == math.inf else by):
                event = await anext(stream, None)
        except TimeoutError:
            raise self._too_late(by) from None
        except MultiLLMError:
            raise
        except Exception as exc:
            # The edge to somebody else's source: what it raises is this attempt's failure and nobody else's.
            logger.exception("%r raised instead of failing", self._attempt.model)
            raise InferenceError(f"{self._attempt.model!r} failed in an unforeseen way: {type(exc).__name__}") from exc
        if self._stall_s is not None and isinstance(event, WRITTEN):
            self._next_by = asyncio.get_running_loop().time() + self._stall_s
        return event

    def _too_late(self, by: float) -> MultiLLMError:
        model, has_text = self._attempt.model, self._attempt.has_text
        self._attempt.had_fair_time = by - self._began >= self._fair_s
        if by == self._answer_by:
            seconds = self._route.timeout_s
            return DeadlineExceededError(f"{self._route.target!r} had no complete answer within {seconds:g} s")
        if by == self._first_by and not has_text:
            return FirstTokenTimeoutError(f"{model!r} sent no text within {self._first_s:.3g} s")
        self._attempt.had_fair_time = True
        if by == self._next_by and has_text:
            return ProviderUnavailableError(f"{model!r} stopped in its answer and sent nothing for {self._stall_s:g} s")
        return ProviderUnavailableError(f"{model!r} did not end its answer within {self._total_s:g} s")
