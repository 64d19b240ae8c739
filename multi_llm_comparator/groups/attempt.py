"""One attempt: everything it holds, and giving all of it back whatever happens."""

from __future__ import annotations

import asyncio
import logging
from types import TracebackType

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Cost
from multi_llm_comparator.core.exceptions import DeadlineExceededError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.groups.breaker import CallOutcome, Permit
from multi_llm_comparator.groups.budgets import Booking, allowances_of, book, settle
from multi_llm_comparator.groups.components import Parts
from multi_llm_comparator.groups.config import Budget
from multi_llm_comparator.groups.history import AttemptRecord
from multi_llm_comparator.groups.json_disk import STORE_ERRORS
from multi_llm_comparator.groups.limits import Grant
from multi_llm_comparator.groups.policy import treatment_of
from multi_llm_comparator.groups.pricing import estimated_prompt_tokens, most_prompt_tokens, price_of
from multi_llm_comparator.groups.targets import Candidate

logger = logging.getLogger(__name__)


class Attempt:
    """A context manager around one call of one model.

    Leaving it settles the limits, reports to the breaker, corrects the budget and writes the record: for an answer,
    a failure, a cancellation and a closed iterator alike. Nothing in it waits, so nothing can interrupt it.
    """

    def __init__(
        self, parts: Parts, request: GenerationRequest, candidate: Candidate, grant: Grant, *, asked: str, rule: str
    ) -> None:
        self._parts, self._request, self.candidate = parts, request, candidate
        self._grant, self._asked, self.rule = grant, asked, rule
        self._permit: Permit | None = None
        self._booking = Booking((), 0)
        self._usage: tuple[int, int] | None = None
        self._is_estimated = False
        self._is_answered = False
        self.number = 0
        self.prompt_tokens = self.text_tokens = 0
        self.has_started = self.has_text = False
        self.had_fair_time = True
        self.began_at = now()

    @property
    def model(self) -> str:
        return self.candidate.model

    async def open(self, budget: Budget | None, within_s: float | None) -> None:
        """Get the breaker's leave for a call that ends ``within_s`` (None: it has no breaker), set the money aside.

        Raises:
            CircuitOpenError, BudgetExceededError: nothing was called or spent.
        """
        if within_s is not None:
            self._permit = await self._parts.breakers.admit(self.model, within_s)
        if budget is not None and self.candidate.group is not None:
            request = self._request
            allowances = allowances_of(self.candidate.group, budget, request.run_id or request.id)
            if allowances:
                most = (most_prompt_tokens(self._request), self._request.config.max_tokens)
                self._booking = await book(self._parts.ledger, allowances, self.candidate.declaration, self.model, most)

    def begin(self, number: int) -> None:
        """From here on the call is made and counts."""
        self.number, self.began_at = number, now()
        for pool in self._parts.pools.pools:
            pool.started(self.model)

    def finish(self, prompt_tokens: int, completion_tokens: int) -> Cost:
        """The answer is complete; zeros mean that nobody counted."""
        self._is_answered = True
        if prompt_tokens or completion_tokens:
            self._usage = (prompt_tokens, completion_tokens)
        return self.cost()

    def cost(self) -> Cost:
        """What the call took so far, estimated where the model did not say."""
        self._is_estimated = self._usage is None
        said = self.prompt_tokens or estimated_prompt_tokens(self._request)
        prompt, completion = self._usage or (said, self.text_tokens)
        self._usage = (prompt, completion)
        priced = price_of(self.candidate.declaration, prompt, completion, name=self.model)
        return Cost(
            request_id=self._request.id,
            model=self.model,
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=priced.usd,
            priced_by=priced.by,
            estimated=self._is_estimated,
        )

    def __enter__(self) -> Attempt:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        was_made = self.number > 0
        # A call that ended early used its prompt at least, unless it failed before the model took it.
        if was_made and self._usage is None and (self.has_started or self.has_text or not isinstance(error, Exception)):
            self.cost()
        prompt, completion = self._usage or (0, 0)
        usd = price_of(self.candidate.declaration, prompt, completion, name=self.model).usd if self._usage else 0.0
        self._parts.controller.settle(self._grant, prompt + completion, made=was_made)
        if self._permit is not None:
            self._parts.breakers.report(self._permit, self._verdict(error))
        if isinstance(error, MultiLLMError):
            self._parts.health.note_error(self.model, error)
        if was_made:
            failed = isinstance(error, Exception)
            for pool in self._parts.pools.pools:
                pool.ended(self.model, failed=failed)
            self._parts.metrics.spent(self.model, prompt, completion, usd)
        self._record(error)
        try:
            settle(self._parts.ledger, self._booking, usd or 0.0)
        except STORE_ERRORS:
            # The answer stands; what was set aside stays booked, which errs on the safe side.
            logger.exception("the ledger of the budgets cannot be written")

    def _verdict(self, error: BaseException | None) -> CallOutcome:
        if self._is_answered:
            return CallOutcome.SUCCESS
        if not self.had_fair_time:
            return CallOutcome.UNKNOWN
        if isinstance(error, DeadlineExceededError):
            return CallOutcome.UNKNOWN if self.has_text else CallOutcome.FAILURE
        if isinstance(error, MultiLLMError):
            return CallOutcome.FAILURE if treatment_of(error).blame else CallOutcome.UNKNOWN
        return CallOutcome.UNKNOWN

    def _record(self, error: BaseException | None) -> None:
        seconds = now() - self.began_at
        outcome = self._outcome(error)
        failed = isinstance(error, Exception) and not isinstance(error, asyncio.CancelledError)
        self._parts.metrics.attempt(self.model, outcome, seconds)
        self._parts.history.add(
            AttemptRecord(
                request_id=self._request.id,
                asked=self._asked,
                target=self.candidate.target,
                model=self.model,
                rule=self.rule,
                number=self.number,
                at=self.began_at,
                seconds=seconds,
                outcome=outcome,
                error_type=type(error).__name__ if failed else "",
                message=str(error) if failed else "",
            )
        )

    def _outcome(self, error: BaseException | None) -> str:
        if self._is_answered:
            return "answered"
        if not isinstance(error, Exception):
            return "cancelled"
        if not self.number:
            return "refused"
        return "failed_after_text" if self.has_text else "failed"
